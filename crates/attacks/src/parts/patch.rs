//! Square patches: how large the budget lets one be, and how one lies on an image.

use scoville_kernels::philox::{key, philox4x32, unit};
use scoville_kernels::{Array, Ball, Image, Lie, Map, Zip, combine, map, paste, peel, zip};

use crate::{Error, Search};

/// Tells the numbers of a lie from those of other uses of the seed.
const PURPOSE: u32 = 5;

/// The largest square (on flat data the longest run) that changes no more than `eps` elements; `None` if that is not one pixel.
pub fn largest(image: Image, eps: f32) -> Option<Image> {
    let Image {
        channels,
        height,
        width,
    } = image;
    let pixels = eps as usize / channels.max(1);
    let side = match height.min(width) {
        1 => pixels,
        _ => pixels.isqrt().min(height).min(width),
    };
    (side > 0).then_some(Image {
        channels,
        height: side.min(height),
        width: side.min(width),
    })
}

/// Elements of an image laid out so.
pub fn elements(image: Image) -> usize {
    image.channels * image.height * image.width
}

/// Where and how the patch of each running sample lies: see [`Lie`].
pub struct Lies {
    pub places: Array,
    pub looks: Array,
}

impl Lies {
    /// Upright, as large and as bright as the patch is, with the middle at `places` (n x 2).
    pub fn upright(places: Array) -> Result<Self, Error> {
        let (rows, device) = (places.rows(), places.device());
        let looks = [1.0, 0.0, 1.0].repeat(rows);
        Ok(Self {
            looks: Array::from_vec(&device, rows, 3, looks)?,
            places,
        })
    }

    fn lie(&self) -> Lie<'_> {
        Lie {
            places: &self.places,
            looks: &self.looks,
        }
    }

    /// The clean samples under `patches` (n x [`elements`]).
    pub fn paste(
        &self,
        patches: &Array,
        patch: Image,
        search: &Search<'_>,
    ) -> Result<Array, Error> {
        self.paste_on(&search.x0, patches, patch, search)
    }

    /// The samples `x` under `patches`.
    pub fn paste_on(
        &self,
        x: &Array,
        patches: &Array,
        patch: Image,
        search: &Search<'_>,
    ) -> Result<Array, Error> {
        let images = (x, search.image);
        Ok(paste(
            (patches, patch),
            images,
            &self.lie(),
            search.ball.lo,
        )?)
    }

    /// The derivative by the patches of what has the derivative `by_x` by the samples under them.
    pub fn peel(&self, by_x: &Array, patch: Image, search: &Search<'_>) -> Result<Array, Error> {
        Ok(peel((by_x, search.image), patch, &self.lie())?)
    }
}

/// Moves the middles (n x 2) of upright patches to the nearest places from where none of it is outside the image.
pub fn keep_inside(places: &mut Array, patch: Image, image: Image) -> Result<(), Error> {
    let (low, high) = ends(patch.height as f32, image.height);
    let (left, right) = ends(patch.width as f32, image.width);
    let (rows, device) = (places.rows(), places.device());
    let all = |pair: [f32; 2]| Array::from_vec(&device, rows, 2, pair.repeat(rows));
    zip(places, Zip::Higher, &all([low, left])?)?;
    Ok(zip(places, Zip::Lower, &all([high, right])?)?)
}

/// Moves `pixels` by `length` times the input's range along the signs of `direction`, as far as the range goes.
pub fn climb(
    pixels: &mut Array,
    direction: &Array,
    length: f32,
    search: &Search<'_>,
) -> Result<(), Error> {
    let Ball { lo, hi, .. } = search.ball;
    let mut moves = direction.copy()?;
    map(&mut moves, Map::Sign)?;
    combine(pixels, 1.0, &moves, length * (hi - lo))?;
    Ok(map(pixels, Map::Clamp { lo, hi })?)
}

/// Where the middle of something so long can be on an axis of `size` pixels without crossing its ends.
fn ends(length: f32, size: usize) -> (f32, f32) {
    let last = size as f32 - 1.0;
    let half = (0.5 * (length - 1.0)).min(0.5 * last);
    (half, last - half)
}

/// How patches may lie in front of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poses {
    /// They are turned by at most so much to either side.
    pub degrees: f32,
    /// Their scale is from this to 1.
    pub smallest: f32,
    /// The light on them is from this to 1: 0 makes them as dark as the range's low end.
    pub darkest: f32,
}

impl Poses {
    /// A lie for each of the samples `ids`, anywhere on the image. `draw` tells the draws of one seed apart.
    pub fn draw(
        &self,
        ids: &[u32],
        draw: u32,
        patch: Image,
        search: &Search<'_>,
    ) -> Result<Lies, Error> {
        let mut places = Vec::with_capacity(2 * ids.len());
        let mut looks = Vec::with_capacity(3 * ids.len());
        for &id in ids {
            let word = |block: u32| philox4x32([block, id, draw, PURPOSE], key(search.seed));
            let ([turn, scale, light, _], [row, column, ..]) =
                (word(0).map(unit), word(1).map(unit));
            let between = |least: f32, most: f32, share: f32| least + share * (most - least);
            let flat = search.image.height.min(search.image.width) == 1;
            let degrees = if flat { 0.0 } else { self.degrees };
            let (sin, cos) = between(-degrees, degrees, turn).to_radians().sin_cos();
            let scale = between(self.smallest, 1.0, scale);
            looks.extend([cos / scale, sin / scale, between(self.darkest, 1.0, light)]);
            let (height, width) = (scale * patch.height as f32, scale * patch.width as f32);
            let (down, across) = (
                cos.abs() * height + sin.abs() * width,
                sin.abs() * height + cos.abs() * width,
            );
            let (low, high) = ends(down, search.image.height);
            let (left, right) = ends(across, search.image.width);
            places.extend([between(low, high, row), between(left, right, column)]);
        }
        let (device, n) = (search.device(), ids.len());
        Ok(Lies {
            places: Array::from_vec(&device, n, 2, places)?,
            looks: Array::from_vec(&device, n, 3, looks)?,
        })
    }
}

/// Numbers in [0, 1) made values of the input's range.
pub fn in_range(x: &mut Array, search: &Search<'_>) -> Result<(), Error> {
    let (lo, hi) = (search.ball.lo, search.ball.hi);
    let (scale, shift) = (hi - lo, lo);
    Ok(map(x, Map::Affine { scale, shift })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_patch_changes_no_more_than_eps() {
        let image = |channels, height, width| Image {
            channels,
            height,
            width,
        };
        for (of, eps, sides) in [
            (image(3, 32, 32), 75.0, Some((5, 5))),
            (image(3, 32, 32), 107.9, Some((5, 5))),
            (image(3, 32, 32), 108.0, Some((6, 6))),
            (image(1, 28, 20), 1e6, Some((20, 20))),
            (image(1, 1, 14), 5.5, Some((1, 5))),
            (image(1, 1, 14), 99.0, Some((1, 14))),
            (image(3, 32, 32), 2.9, None),
            (image(1, 8, 8), 0.5, None),
        ] {
            let patch = largest(of, eps);
            assert_eq!(patch.map(|p| (p.height, p.width)), sides, "{of:?} {eps}");
            assert!(patch.is_none_or(|p| elements(p) as f32 <= eps));
        }
    }

    #[test]
    fn middles_keep_the_whole_patch_on_the_image() {
        assert_eq!(ends(5.0, 20), (2.0, 17.0));
        assert_eq!(ends(4.0, 20), (1.5, 17.5));
        assert_eq!(ends(30.0, 20), (9.5, 9.5));
        assert_eq!(ends(1.0, 1), (0.0, 0.0));
    }
}
