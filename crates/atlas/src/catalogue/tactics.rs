//! The tactics of ATLAS 5.6.0: id and name, in the order of the matrix.

use super::Tactic;

#[rustfmt::skip]
pub(super) const TACTICS: &[Tactic] = &[
    Tactic { id: "AML.TA0002", name: "Reconnaissance" },
    Tactic { id: "AML.TA0003", name: "Resource Development" },
    Tactic { id: "AML.TA0004", name: "Initial Access" },
    Tactic { id: "AML.TA0000", name: "AI Model Access" },
    Tactic { id: "AML.TA0005", name: "Execution" },
    Tactic { id: "AML.TA0006", name: "Persistence" },
    Tactic { id: "AML.TA0012", name: "Privilege Escalation" },
    Tactic { id: "AML.TA0007", name: "Defense Evasion" },
    Tactic { id: "AML.TA0013", name: "Credential Access" },
    Tactic { id: "AML.TA0008", name: "Discovery" },
    Tactic { id: "AML.TA0015", name: "Lateral Movement" },
    Tactic { id: "AML.TA0009", name: "Collection" },
    Tactic { id: "AML.TA0001", name: "AI Attack Staging" },
    Tactic { id: "AML.TA0014", name: "Command and Control" },
    Tactic { id: "AML.TA0010", name: "Exfiltration" },
    Tactic { id: "AML.TA0011", name: "Impact" },
];
