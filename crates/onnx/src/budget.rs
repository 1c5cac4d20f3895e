//! The promise on memory, as a sum that may not be exceeded.

use std::mem::size_of;

use crate::error::Error;
use crate::graph;
use crate::proto;

/// A subgraph: its message, decoded and in a growing list, and what validation makes of it.
pub(crate) const SUBGRAPH: usize = 3 * size_of::<proto::Graph>() + 2 * size_of::<graph::Graph>();

/// What may yet be allocated for one file. Together with the file's own bytes: 64 MiB + 4 times the file.
#[derive(Debug)]
pub(crate) struct Budget {
    file_bytes: usize,
    left: usize,
}

impl Budget {
    pub fn of(file_bytes: usize) -> Self {
        Self {
            file_bytes,
            left: Self::limit(file_bytes),
        }
    }

    fn limit(file_bytes: usize) -> usize {
        file_bytes.saturating_mul(3).saturating_add(64 << 20)
    }

    /// Takes `bytes` off, before they are allocated.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::Amplification {
            bytes: self.file_bytes,
            limit: Self::limit(self.file_bytes).saturating_add(self.file_bytes),
        })?;
        Ok(())
    }
}

/// A text of so many bytes: it is copied, and its name kept in a table or an error label. Lists of floats, which grow by
/// doubling, cost no more.
pub(crate) fn text(bytes: usize) -> usize {
    bytes.saturating_mul(2).saturating_add(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_spent() {
        let mut budget = Budget::of(10);
        budget.charge(64 << 20).unwrap();
        budget.charge(30).unwrap();
        let error = budget.charge(1).unwrap_err().to_string();
        assert!(
            error.contains("10 bytes") && error.contains(&format!("{}", (64 << 20) + 40)),
            "{error}"
        );
    }
}
