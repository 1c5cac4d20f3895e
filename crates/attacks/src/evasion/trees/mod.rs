//! Attacks that read the trees of an ensemble, through which no gradient passes.

pub mod decision_tree;
mod forest;
pub mod leaf_tuple;
mod space;

use rayon::prelude::*;
use scoville_kernels::Array;
use scoville_targets::Labels;

use crate::driver::Structure;
use crate::{Error, Search};
use forest::Forest;
use space::Space;

/// A sample on its own, with all that an attack on trees reads.
struct Sample<'a> {
    id: u32,
    label: u32,
    clean: &'a [f32],
    forest: &'a Forest<'a>,
    space: &'a Space,
}

/// Seeks a point for each sample by `find`, which asks the target nothing, and asks it about what was found.
fn each(
    search: &mut Search<'_>,
    target: &dyn Labels,
    structure: &Structure<'_>,
    find: impl Fn(&Sample<'_>) -> Option<Vec<f32>> + Sync,
) -> Result<(), Error> {
    search.heed_stop()?;
    let cols = search.x0.cols();
    let space = Space::new(search, cols);
    let forest = Forest::new(structure, cols);
    let (x0, y, ids) = (
        search.x0.to_vec()?,
        search.y.to_vec()?,
        search.ids.to_vec()?,
    );
    let samples = x0.par_chunks_exact(cols.max(1)).zip(y).zip(ids);
    let points = samples.map(|((clean, label), id)| {
        let sample = Sample {
            id,
            label,
            clean,
            forest: &forest,
            space: &space,
        };
        find(&sample).unwrap_or_else(|| clean.to_vec())
    });
    let points: Vec<Vec<f32>> = points.collect();
    let x = Array::from_vec(&search.device(), points.len(), cols, points.concat())?;
    let predicted = target.labels(&x)?;
    search.offer_nearer(&x, &predicted)?;
    Ok(())
}

#[cfg(test)]
mod tests;
