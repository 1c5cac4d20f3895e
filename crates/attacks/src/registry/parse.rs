//! Attacks as users write them.

use scoville_kernels::Norm;

use super::rows::ROWS;
use super::{Attack, EOT, TRANSFER, Values};

/// An attack that was asked for in a way that cannot be.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    #[error("no attack is called `{name}`; there are {known}")]
    Unknown { name: String, known: String },
    #[error("no suite is called `{text}`; there are {known}")]
    Version { text: String, known: String },
    #[error(
        "transfer:{attack}: only an attack that needs gradients runs on a surrogate; there are {known}"
    )]
    NotTransferable { attack: &'static str, known: String },
    #[error(
        "transfer:{suite}: a suite does not run on a surrogate; name those of its attacks that need gradients: {known}"
    )]
    SuiteTransferred { suite: &'static str, known: String },
    #[error("{suite} cannot run in {norm}, but in {own}; in {norm} run {known}")]
    SuiteNorm {
        suite: &'static str,
        norm: Norm,
        own: String,
        known: String,
    },
    #[error("`{text}` in `{attack}`: write NAME:KEY=VALUE, for example pgd:steps=40:restarts=5")]
    Syntax { attack: String, text: String },
    #[error("{attack} has no parameter `{key}`; it has {known}")]
    Parameter {
        attack: &'static str,
        key: String,
        known: String,
    },
    #[error("{attack}: {key}={value} must be {wanted}")]
    Value {
        attack: &'static str,
        key: &'static str,
        value: String,
        wanted: String,
    },
}

/// What stands before the name of an attack that is to run on a surrogate. It alone means [`TRANSFERRED`].
pub const PREFIX: &str = "transfer";
pub const TRANSFERRED: &str = "mi-fgsm";

/// Parses one attack, `[transfer:]NAME[:KEY=VALUE]...`, for example `apgd-ce:steps=100:restarts=5`.
pub fn parse(text: &str) -> Result<Attack, AttackError> {
    match text.trim().strip_prefix(PREFIX) {
        Some("") => transferred(TRANSFERRED),
        Some(rest) if rest.starts_with(':') => transferred(&rest[1..]),
        _ => direct(text),
    }
}

/// The attack on a surrogate. Any that climbs gradients can be one; a surrogate gives them.
fn transferred(text: &str) -> Result<Attack, AttackError> {
    let attack = direct(text)?;
    if !attack.row.climbs() {
        let fit = ROWS.iter().filter(|row| row.climbs());
        return Err(AttackError::NotTransferable {
            attack: attack.row.name,
            known: list(fit.map(|row| row.name)),
        });
    }
    Ok(Attack {
        name: format!("{PREFIX}:{}", attack.row.name).into(),
        technique: TRANSFER,
        transfer: true,
        ..attack
    })
}

fn direct(text: &str) -> Result<Attack, AttackError> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default().trim();
    let row = ROWS
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| AttackError::Unknown {
            name: name.into(),
            known: list(
                ROWS.iter()
                    .map(|row| row.name)
                    .chain(["autoattack", PREFIX]),
            ),
        })?;
    let mut values = Values::defaults(row);
    let mut eot = 1;
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| AttackError::Syntax {
            attack: text.into(),
            text: word.into(),
        })?;
        let (key, value) = (key.trim(), value.trim());
        if key == EOT.name && row.takes_means() {
            eot = EOT.parse(row, value)? as usize;
        } else {
            values.set(row, key, value)?;
        }
    }
    Ok(Attack {
        eot,
        ..Attack::new(row, values)
    })
}

pub(crate) fn list<T: Into<String>>(words: impl Iterator<Item = T>) -> String {
    words.map(Into::into).collect::<Vec<String>>().join(", ")
}
