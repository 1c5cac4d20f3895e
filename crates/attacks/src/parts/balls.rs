//! Balls of a radius of its own round each sample.

use scoville_kernels::{
    Array, Ball, Map, Norm, Reduce, Zip, combine, keep_largest, map, project_l1, reduce_rows, zip,
};

use crate::{Error, Search};

/// The radius of a ball that holds every input.
pub fn widest(search: &Search<'_>) -> f32 {
    let Ball { norm, lo, hi, .. } = search.ball;
    match norm {
        Norm::Linf => hi - lo,
        Norm::L2 => (hi - lo) * (search.x0.cols() as f32).sqrt(),
        Norm::L1 => (hi - lo) * search.x0.cols() as f32,
        Norm::L0 => search.x0.cols() as f32,
        Norm::Wasserstein => (search.image.height + search.image.width) as f32,
    }
}

/// The norm in which a gradient is measured, so that a linear function's value over it is the distance to its zero; in L0,
/// where there is none, the most that one element can do.
pub fn dual(norm: Norm) -> Reduce {
    match norm {
        Norm::Linf => Reduce::L1,
        Norm::L2 => Reduce::L2,
        _ => Reduce::Linf,
    }
}

/// Moves each row of `x` the least way into the ball of its `radius` (n x 1) round the clean sample, and into the input
/// range.
pub fn into_balls(x: &mut Array, radius: &Array, search: &Search<'_>) -> Result<(), Error> {
    if search.ball.norm == Norm::L1 {
        project_l1(x, &search.x0, radius, &search.ball)?;
        return search.confine(x);
    }
    about_clean(x, search, |delta| match search.ball.norm {
        Norm::Linf => Ok(zip(delta, Zip::Within, radius)?),
        Norm::L0 => Ok(keep_largest(delta, radius)?),
        _ => {
            let mut scale = scale(delta, radius)?;
            map(&mut scale, Map::Clamp { lo: 0.0, hi: 1.0 })?;
            Ok(zip(delta, Zip::Multiply, &scale)?)
        }
    })
}

/// Moves each row of `x` along its distance from the clean sample to L2 norm `radius` (n x 1), and into the input range.
pub fn onto_spheres(x: &mut Array, radius: &Array, search: &Search<'_>) -> Result<(), Error> {
    about_clean(x, search, |delta| {
        Ok(zip(delta, Zip::Multiply, &scale(delta, radius)?)?)
    })
}

fn about_clean(
    x: &mut Array,
    search: &Search<'_>,
    change: impl FnOnce(&mut Array) -> Result<(), Error>,
) -> Result<(), Error> {
    combine(x, 1.0, &search.x0, -1.0)?;
    change(x)?;
    combine(x, 1.0, &search.x0, 1.0)?;
    let Ball { lo, hi, .. } = search.ball;
    map(x, Map::Clamp { lo, hi })?;
    search.confine(x)
}

/// `radius / |delta|` by row.
fn scale(delta: &Array, radius: &Array) -> Result<Array, Error> {
    let mut scale = reduce_rows(delta, Reduce::L2)?;
    map(&mut scale, Map::Reciprocal)?;
    zip(&mut scale, Zip::Multiply, radius)?;
    Ok(scale)
}
