//! Evasion: inputs that a model gets wrong (ATLAS AML.T0015, AML.T0043). A folder for what an attacker can reach, a file
//! for each attack, with its row of the registry.

pub mod corruptions;
pub mod gradients;
pub mod labels;
pub mod nearest;
pub mod scores;
pub mod trees;
