//! Attacks from the predicted class alone. All but the spatial one seek the nearest adversarial point, from a start far
//! away.

mod away;
pub mod boundary;
pub mod geoda;
pub mod hop_skip_jump;
mod oracle;
pub mod pointwise;
pub mod rays;
pub mod sign_opt;
pub mod spatial;
mod start;

use scoville_kernels::{
    Array, Map, Norm, Reduce, Zip, combine, distance_rows, keep_largest, map, reduce_rows, select,
    zip,
};

use scoville_targets::Labels;

use crate::parts::into_balls;
use crate::{Error, Search};
use away::away;
use oracle::{Halt, Oracle};
use start::{look, start};

/// Where the way from a misclassified random image to the clean sample crosses the boundary, for attacks that know more than
/// labels, and the mask of the rows where such an image is found; `None` if no sample is left.
pub(super) fn at_boundary(
    rounds: usize,
    search: &mut Search<'_>,
    target: &dyn Labels,
) -> Result<Option<(Array, Array<u32>)>, Error> {
    let mut point = None;
    Oracle::spend(usize::MAX, search, target, |oracle| {
        let (far, found) = look(oracle)?;
        point = Some((to_boundary(&far, rounds, oracle)?, found));
        Ok(())
    })?;
    Ok(point)
}

/// Each row over its L2 norm.
fn normalise(x: &mut Array) -> Result<(), Error> {
    let mut length = reduce_rows(x, Reduce::L2)?;
    map(&mut length, Map::Reciprocal)?;
    Ok(zip(x, Zip::Multiply, &length)?)
}

fn clip(x: &mut Array, search: &Search<'_>) -> Result<(), Error> {
    let (lo, hi) = (search.ball.lo, search.ball.hi);
    map(x, Map::Clamp { lo, hi })?;
    search.confine(x)
}

fn scaled(x: &Array, scale: f32) -> Result<Array, Error> {
    let mut scaled = x.copy()?;
    map(&mut scaled, Map::Affine { scale, shift: 0.0 })?;
    Ok(scaled)
}

/// One number a running sample.
fn column(search: &Search<'_>, value: f32) -> Result<Array, Error> {
    Ok(Array::filled(&search.device(), search.running(), 1, value)?)
}

/// `a` where `mask` is set, else `b`.
fn choose(a: &Array, b: &Array, mask: &Array<u32>) -> Result<Array, Error> {
    let mut chosen = b.copy()?;
    select(&mut chosen, a, mask)?;
    Ok(chosen)
}

/// 1 where a mask is set, else -1.
fn sides(mask: &Array<u32>, search: &Search<'_>) -> Result<Array, Error> {
    choose(&column(search, 1.0)?, &column(search, -1.0)?, mask)
}

/// Where both masks are set.
fn both(a: &Array<u32>, b: &Array<u32>) -> Result<Array<u32>, Error> {
    let mut both = Array::zeros(&a.device(), a.rows(), 1)?;
    select(&mut both, a, b)?;
    Ok(both)
}

fn not(mask: &Array<u32>) -> Result<Array<u32>, Error> {
    let mut not = Array::filled(&mask.device(), mask.rows(), 1, 1)?;
    select(
        &mut not,
        &Array::zeros(&mask.device(), mask.rows(), 1)?,
        mask,
    )?;
    Ok(not)
}

/// The way from each clean sample to a misclassified point: along the line in L2 and L1; in Linf and L0 by clipping the
/// point to smaller and smaller balls.
struct Way<'a> {
    far: &'a Array,
    /// In Linf the distance from the clean sample, else the difference.
    reach: Array,
}

impl<'a> Way<'a> {
    fn new(far: &'a Array, search: &Search<'_>) -> Result<Self, Error> {
        let reach = match search.ball.norm {
            Norm::Linf => distance_rows(far, &search.x0, Reduce::Linf)?,
            _ => {
                let mut difference = far.copy()?;
                combine(&mut difference, 1.0, &search.x0, -1.0)?;
                difference
            }
        };
        Ok(Self { far, reach })
    }

    /// The point at a share (n x 1) of the way.
    fn at(&self, share: &Array, search: &Search<'_>) -> Result<Array, Error> {
        match search.ball.norm {
            Norm::Linf => {
                let mut radius = self.reach.copy()?;
                zip(&mut radius, Zip::Multiply, share)?;
                let mut x = self.far.copy()?;
                into_balls(&mut x, &radius, search)?;
                Ok(x)
            }
            Norm::L0 => {
                let kept = scaled(share, self.reach.cols() as f32)?;
                let mut x = self.reach.copy()?;
                keep_largest(&mut x, &kept)?;
                combine(&mut x, 1.0, &search.x0, 1.0)?;
                clip(&mut x, search)?;
                Ok(x)
            }
            Norm::L2 | Norm::L1 | Norm::Wasserstein => {
                let mut x = search.x0.copy()?;
                combine(&mut x, 1.0, &self.reach, share)?;
                clip(&mut x, search)?;
                Ok(x)
            }
        }
    }
}

/// From misclassified points to where the way to the clean sample crosses the boundary: `rounds` queries, of which each
/// halves the error. What it gives is misclassified.
fn to_boundary(far: &Array, rounds: usize, oracle: &mut Oracle<'_, '_>) -> Result<Array, Halt> {
    let way = Way::new(far, oracle.search)?;
    let (low, high) = (column(oracle.search, 0.0)?, column(oracle.search, 1.0)?);
    let share = bisect(low, high, rounds, oracle, |share, search| {
        way.at(share, search)
    })?;
    Ok(way.at(&share, oracle.search)?)
}

/// Brings `high`, at which a point is misclassified, down towards `low` (both n x 1), in `rounds` queries.
fn bisect(
    mut low: Array,
    mut high: Array,
    rounds: usize,
    oracle: &mut Oracle<'_, '_>,
    at: impl Fn(&Array, &Search<'_>) -> Result<Array, Error>,
) -> Result<Array, Halt> {
    for _ in 0..rounds {
        let mut middle = scaled(&low, 0.5)?;
        combine(&mut middle, 1.0, &high, 0.5)?;
        let wrong = oracle.wrong(&at(&middle, oracle.search)?)?;
        low = choose(&low, &middle, &wrong)?;
        high = choose(&middle, &high, &wrong)?;
    }
    Ok(high)
}
