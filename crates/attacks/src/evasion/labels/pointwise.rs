//! Pointwise attack: elements of a misclassified point are set back to the clean sample, as long as it stays misclassified;
//! whole blocks first, then halves of them and so on down to single elements.
//!
//! Schott et al. 2019, <https://arxiv.org/abs/1805.09190>, where elements are set back one by one.

use scoville_kernels::{Array, Map, Norm, Zip, combine, flip_block, map, select, zip};
use scoville_targets::Labels;

use super::{Halt, Oracle, column, start};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row, whole};
use crate::{Budget, Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "pointwise",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: Budget::Ball(&[Norm::L1, Norm::L0]),
    least_classes: 2,
    parameters: &[whole("queries", 1000.0, 1e7)],
    paper: "Schott 2019, arXiv:1805.09190",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(Pointwise {
            queries: v.whole("queries"),
        }))
    },
};

/// The pointwise attack with `queries` queries a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointwise {
    pub queries: usize,
}

impl LabelsOnly for Pointwise {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, walk)
    }
}

fn walk(oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
    let mut x = start(oracle)?;
    for block in 0u32.. {
        let candidate = set_back(&x, block, oracle.search)?;
        let wrong = oracle.wrong(&candidate)?;
        select(&mut x, &candidate, &wrong)?;
    }
    Ok(())
}

/// `x` with one block of the clean sample.
fn set_back(x: &Array, block: u32, search: &Search<'_>) -> Result<Array, Error> {
    let ones = Array::filled(&x.device(), x.rows(), x.cols(), 1.0)?;
    let mut mask = flip_block(&ones, &column(search, block as f32)?)?;
    let (scale, shift) = (-0.5, 0.5);
    map(&mut mask, Map::Affine { scale, shift })?;
    let mut back = search.x0.copy()?;
    combine(&mut back, 1.0, x, -1.0)?;
    zip(&mut back, Zip::Multiply, &mask)?;
    combine(&mut back, 1.0, x, 1.0)?;
    Ok(back)
}
