//! Attacks as users write them.

use std::collections::BTreeSet;

use scoville_kernels::Norm;
use scoville_text::typos;

use super::rows::ROWS;
use super::{Attack, EOT, TRANSFER, Values};
use crate::suite::suites;

/// An attack that was asked for in a way that cannot be.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    #[error("no attack is called `{name}`; {}`scoville attacks` lists them", meant(.near))]
    Unknown { name: String, near: String },
    #[error("no suite is called `{text}`; there are {known}")]
    Version { text: String, known: String },
    #[error(
        "transfer:{0}: only an attack that needs gradients runs on a surrogate; `scoville attacks` says what each needs"
    )]
    NotTransferable(&'static str),
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
        return Err(AttackError::NotTransferable(attack.row.name));
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
            near: list(near(name)),
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

/// The names that a typing error or two may have made this of, the nearest first.
fn near(name: &str) -> impl Iterator<Item = &'static str> {
    const MOST: usize = 3;
    let rows = ROWS.iter().map(|row| row.name);
    let suites = suites()
        .iter()
        .flat_map(|suite| [suite.name, suite.family()]);
    let names: BTreeSet<&str> = rows.chain(suites).chain([PREFIX]).collect();
    let apart = names.into_iter().map(|known| (typos(name, known), known));
    let mut near: Vec<_> = apart.filter(|(typos, _)| (0..=2).contains(typos)).collect();
    near.sort();
    near.into_iter().take(MOST).map(|(_, known)| known)
}

fn meant(near: &str) -> String {
    match near {
        "" => String::new(),
        near => format!("did you mean {near}? "),
    }
}

pub(crate) fn list<T: Into<String>>(words: impl Iterator<Item = T>) -> String {
    words.map(Into::into).collect::<Vec<String>>().join(", ")
}
