//! Attacks that seek the nearest adversarial point, with input gradients.

pub mod alma;
pub mod brendel_bethge;
pub mod cw;
pub mod cw_l0;
pub mod cw_linf;
pub mod ddn;
pub mod deepfool;
pub mod ead;
pub mod fab;
pub mod fmn;
pub mod jsma;
pub mod lowprofool;
pub mod newtonfool;
pub mod sigma_zero;
pub mod sparsefool;

use scoville_kernels::{Array, Ball, Map, Reduce, combine, distance_rows, keep_lower, map, select};

use crate::{Error, Search};

/// One number a running sample.
fn column(search: &Search<'_>, value: f32) -> Result<Array, Error> {
    Ok(Array::filled(&search.device(), search.running(), 1, value)?)
}

fn scaled(x: &Array, scale: f32) -> Result<Array, Error> {
    mapped(x, Map::Affine { scale, shift: 0.0 })
}

fn mapped(x: &Array, f: Map) -> Result<Array, Error> {
    let mut mapped = x.copy()?;
    map(&mut mapped, f)?;
    Ok(mapped)
}

/// `x - x0`.
fn change(x: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut change = x.copy()?;
    combine(&mut change, 1.0, &search.x0, -1.0)?;
    Ok(change)
}

/// Moves `x` into the input range.
fn clip(x: &mut Array, search: &Search<'_>) -> Result<(), Error> {
    let Ball { lo, hi, .. } = search.ball;
    Ok(map(x, Map::Clamp { lo, hi })?)
}

/// The nearest misclassified point of each sample so far.
struct Nearest {
    norm: Reduce,
    distance: Array,
    point: Array,
}

impl Nearest {
    /// None yet.
    fn none(norm: Reduce, search: &Search<'_>) -> Result<Self, Error> {
        Ok(Self {
            norm,
            distance: column(search, f32::MAX)?,
            point: search.x0.copy()?,
        })
    }

    /// Takes `x` where it is `wrong`, and nearer. Gives the mask of those rows.
    fn take(
        &mut self,
        x: &Array,
        wrong: &Array<u32>,
        search: &Search<'_>,
    ) -> Result<Array<u32>, Error> {
        let mut here = column(search, f32::MAX)?;
        select(&mut here, &distance_rows(x, &search.x0, self.norm)?, wrong)?;
        let nearer = keep_lower(&mut self.distance, &here)?;
        select(&mut self.point, x, &nearer)?;
        Ok(nearer)
    }
}
