//! Where attacks from labels begin: points that are misclassified, however far away.

use scoville_kernels::{Array, Image, Map, Noise, combine, enlarge, map, noise, select};

use super::{Halt, Oracle, choose, clip, column, scaled};
use crate::search::gather_in_place;
use crate::{Error, Search};

/// Random images that are tried for each sample.
const TRIES: usize = 25;

/// The random images have blocks of many sizes, one size after the other: models put fine noise in very few classes. As
/// many blocks a side of the image; none for one a pixel.
const SIDES: [Option<usize>; 4] = [None, Some(8), Some(4), Some(2)];

/// Of the way to a random image, how much more is left to the clean sample after each try that worked.
const NEARER: f32 = 0.8;

/// Keeps the random numbers of the start apart from those of the attack.
const STREAM: u32 = 1 << 31;

/// A misclassified point of every sample. Samples for which none is found leave the batch.
pub(super) fn start(oracle: &mut Oracle<'_, '_>) -> Result<Array, Halt> {
    let (mut x, found) = look(oracle)?;
    let rows = oracle.search.give_up(&found)?;
    gather_in_place(&mut x, &rows)?;
    Ok(x)
}

/// A misclassified point of every sample, if one is found: a random image, mixed with as much of the clean sample as the
/// tries allow; and the mask of the rows where one is, the others being clean.
pub(super) fn look(oracle: &mut Oracle<'_, '_>) -> Result<(Array, Array<u32>), Halt> {
    let mut x = oracle.search.x0.copy()?;
    let mut share = column(oracle.search, 1.0)?;
    let mut found = Array::zeros(&x.device(), x.rows(), 1)?;
    for attempt in 0..TRIES {
        let point = mixed(&share, attempt, oracle.search)?;
        let wrong = oracle.wrong(&point)?;
        select(&mut x, &point, &wrong)?;
        select(&mut found, &wrong, &wrong)?;
        share = choose(&scaled(&share, NEARER)?, &share, &wrong)?;
    }
    Ok((x, found))
}

/// `x0 + share (z - x0)` for a random image z.
pub(super) fn mixed(share: &Array, attempt: usize, search: &Search<'_>) -> Result<Array, Error> {
    let mut x = random_image(SIDES[attempt % SIDES.len()], attempt, search)?;
    combine(&mut x, 1.0, &search.x0, -1.0)?;
    combine(&mut x, share, &search.x0, 1.0)?;
    clip(&mut x, search)?;
    Ok(x)
}

fn random_image(side: Option<usize>, attempt: usize, search: &Search<'_>) -> Result<Array, Error> {
    let (image, stream) = (search.image, STREAM + attempt as u32);
    let most = side.unwrap_or(usize::MAX);
    let small = Image {
        channels: image.channels,
        height: image.height.min(most),
        width: image.width.min(most),
    };
    let cols = small.channels * small.height * small.width;
    let mut x = noise(&search.ids, cols, Noise::Uniform, search.seed, stream)?;
    let (scale, shift) = (search.ball.hi - search.ball.lo, search.ball.lo);
    map(&mut x, Map::Affine { scale, shift })?;
    Ok(enlarge(&x, small, image)?)
}
