//! The direction in which a boundary is crossed, estimated from labels.

use std::ops::Range;

use scoville_kernels::{Array, Map, Noise, Norm, Waves, combine, keep_lower, map, noise, select};

use super::{Halt, Oracle, clip, column, normalise, not, scaled, sides};
use crate::{Error, Search};

/// The direction from `x` in which more points are misclassified: the mean of the directions to random points at
/// distance `reach` (n x 1), one a stream, each counting by its label, +1 or -1, less their mean. Of length 1 in L2; in
/// Linf its sign. The random directions are images of low frequency where `waves` are given.
pub(super) fn away(
    x: &Array,
    reach: &Array,
    streams: Range<usize>,
    waves: Option<&Waves>,
    oracle: &mut Oracle<'_, '_>,
) -> Result<Array, Halt> {
    let zeros = |cols| Array::zeros(&x.device(), x.rows(), cols);
    let (mut weighed, mut all, mut total) = (zeros(x.cols())?, zeros(x.cols())?, zeros(1)?);
    let count = streams.len().max(1) as f32;
    for stream in streams {
        let u = direction(stream, waves, oracle.search)?;
        let mut point = x.copy()?;
        combine(&mut point, 1.0, &u, reach)?;
        clip(&mut point, oracle.search)?;
        let wrong = oracle.wrong(&point)?;
        // What is left of the direction after clipping.
        combine(&mut point, 1.0, x, -1.0)?;
        let side = sides(&wrong, oracle.search)?;
        combine(&mut weighed, 1.0, &point, &side)?;
        combine(&mut all, 1.0, &point, 1.0)?;
        combine(&mut total, 1.0, &side, 1.0)?;
    }
    let mut mean = scaled(&total, 1.0 / count)?;
    let mut away = weighed.copy()?;
    combine(&mut away, 1.0, &all, &scaled(&mean, -1.0)?)?;
    // Where all labels are alike, taking off their mean would leave nothing.
    map(&mut mean, Map::Abs)?;
    let differ = keep_lower(&mut column(oracle.search, 1.0 - 0.5 / count)?, &mean)?;
    select(&mut away, &weighed, &not(&differ)?)?;
    match oracle.search.ball.norm {
        Norm::Linf => map(&mut away, Map::Sign)?,
        _ => normalise(&mut away)?,
    }
    Ok(away)
}

/// A random direction for each sample, of L2 norm 1: uniform on the sphere, in Linf nearer to the corners of a cube.
fn direction(stream: usize, waves: Option<&Waves>, search: &Search<'_>) -> Result<Array, Error> {
    let cols = waves.map_or(search.x0.cols(), Waves::coefficients);
    let kind = match search.ball.norm {
        Norm::Linf => Noise::Uniform,
        _ => Noise::Normal,
    };
    let mut u = noise(&search.ids, cols, kind, search.seed, stream as u32)?;
    if kind == Noise::Uniform {
        let (scale, shift) = (2.0, -1.0);
        map(&mut u, Map::Affine { scale, shift })?;
    }
    if let Some(waves) = waves {
        u = waves.images(&u)?;
    }
    normalise(&mut u)?;
    Ok(u)
}
