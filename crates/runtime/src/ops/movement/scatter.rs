//! Rows of a matrix updated at indices: what ScatterElements, ScatterND and TensorScatter do.
//!
//! Burn updates rows in parallel, and knows the derivative, where no row is named twice. So known
//! indices are taken in rounds: the k-th update of a row goes into round k. Without a reduction only
//! the last update of a row counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn_backend::{
    Backend,
    tensor::{FloatTensor, IndexingUpdateOp, IntTensor},
};
use scoville_onnx::Node;

use super::rows::{column, upload};
use crate::Fault;

/// Most rounds, which are the updates of one row.
const MAX_ROUNDS: usize = 256;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reduction {
    None,
    Add,
    Mul,
    Min,
    Max,
}

impl Reduction {
    pub fn parse(node: &Node) -> Result<Self, Fault> {
        Ok(match node.attributes.string("reduction")? {
            None | Some("none") => Reduction::None,
            Some("add") => Reduction::Add,
            Some("mul") => Reduction::Mul,
            Some("min") => Reduction::Min,
            Some("max") => Reduction::Max,
            Some(other) => return Err(Fault::Unsupported(format!("reduction {other}"))),
        })
    }

    fn update(self) -> IndexingUpdateOp {
        match self {
            Reduction::None => IndexingUpdateOp::Assign,
            Reduction::Add => IndexingUpdateOp::Add,
            Reduction::Mul => IndexingUpdateOp::Mul,
            Reduction::Min => IndexingUpdateOp::Min,
            Reduction::Max => IndexingUpdateOp::Max,
        }
    }

    /// Refuses what has no right derivative where a row is named twice, which only a run can tell.
    pub fn check_computed(self) -> Result<(), Fault> {
        match self {
            Reduction::None | Reduction::Add => Ok(()),
            _ => Err(Fault::Unsupported(
                "this reduction at indices that depend on the model's input".into(),
            )),
        }
    }
}

/// Updates of rows that differ.
struct Round<B: Backend> {
    /// As tuples of one index.
    rows: IntTensor<B>,
    /// Which updates; `None` for all, in order.
    updates: Option<IntTensor<B>>,
}

/// Known rows to update, on the device.
#[derive(Clone)]
pub(super) struct Updates<B: Backend>(Arc<Vec<Round<B>>>);

impl<B: Backend> Updates<B> {
    pub fn known(
        rows: Vec<usize>,
        reduction: Reduction,
        device: &B::Device,
    ) -> Result<Self, Fault> {
        let all = rows.len();
        let round = |round: Vec<(usize, usize)>| {
            let (rows, updates): (Vec<usize>, Vec<usize>) = round.into_iter().unzip();
            let some = updates.len() < all;
            Ok(Round {
                rows: column::<B>(upload::<B>(rows, device)?),
                updates: match some {
                    true => Some(column::<B>(upload::<B>(updates, device)?)),
                    false => None,
                },
            })
        };
        let rounds = match reduction {
            Reduction::None => vec![last(&rows)],
            _ => rounds(&rows)?,
        };
        let rounds = rounds
            .into_iter()
            .map(round)
            .collect::<Result<_, Fault>>()?;
        Ok(Updates(Arc::new(rounds)))
    }

    /// The matrix `data` with its rows updated by those of `updates`.
    pub fn apply(
        &self,
        data: FloatTensor<B>,
        updates: FloatTensor<B>,
        reduction: Reduction,
    ) -> FloatTensor<B> {
        self.0.iter().fold(data, |data, round| {
            let updates = match &round.updates {
                Some(which) => B::float_gather_nd(updates.clone(), which.clone()),
                None => updates.clone(),
            };
            B::float_scatter_nd(data, round.rows.clone(), updates, reduction.update())
        })
    }
}

/// The matrix `data` with rows that a run computed updated, one after another.
pub(super) fn computed<B: Backend>(
    data: FloatTensor<B>,
    rows: IntTensor<B>,
    updates: FloatTensor<B>,
    reduction: Reduction,
) -> FloatTensor<B> {
    B::float_select_assign(data, 0, rows, updates, reduction.update())
}

/// Refuses rows that cannot be updated in [`MAX_ROUNDS`].
pub(super) fn check(rows: &[usize], reduction: Reduction) -> Result<(), Fault> {
    match reduction {
        Reduction::None => Ok(()),
        _ => rounds(rows).map(drop),
    }
}

/// The last update of each row, as (row, update).
fn last(rows: &[usize]) -> Vec<(usize, usize)> {
    let last: BTreeMap<usize, usize> = rows.iter().copied().zip(0..).collect();
    if last.len() == rows.len() {
        return rows.iter().copied().zip(0..).collect();
    }
    last.into_iter().collect()
}

/// The updates of each round, as (row, update).
fn rounds(rows: &[usize]) -> Result<Vec<Vec<(usize, usize)>>, Fault> {
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<(usize, usize)>> = Vec::new();
    for (update, &row) in rows.iter().enumerate() {
        let times = seen.entry(row).or_default();
        if *times == MAX_ROUNDS {
            return Err(Fault::Unsupported(format!(
                "more than {MAX_ROUNDS} updates of one place"
            )));
        }
        rounds.resize_with(rounds.len().max(*times + 1), Vec::new);
        rounds
            .iter_mut()
            .skip(*times)
            .take(1)
            .for_each(|round| round.push((row, update)));
        *times += 1;
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_names_a_row_once() {
        assert_eq!(last(&[3, 1]), [(3, 0), (1, 1)]);
        assert_eq!(last(&[3, 1, 3]), [(1, 1), (3, 2)]);
        let two = rounds(&[3, 1, 3]).expect("few");
        assert_eq!(two, [vec![(3, 0), (1, 1)], vec![(3, 2)]]);
        assert!(rounds(&[0; MAX_ROUNDS]).is_ok());
        assert!(rounds(&[0; MAX_ROUNDS + 1]).is_err());
    }
}
