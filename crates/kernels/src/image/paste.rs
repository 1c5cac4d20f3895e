//! A patch laid over each image, turned, scaled and dimmed, by bilinear interpolation; and the adjoint of that, which takes a
//! derivative by the images to one by the patches.
//!
//! Pixel `(r, c)` of an image shows the patch at `m + [a b; -b a] (r - row, c - column)`, where `m` is the patch's middle, if
//! that lies on it; then `darkest + light * (patch - darkest)`. So `a` and `b` are the cosine and the sine of the angle over
//! the scale. A patch that is not turned and of scale 1 hides as many pixels as it has, wherever it lies.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const PASTE: Shader = shader!("paste");
const PEEL: Shader = shader!("peel");

/// How the patch of each row lies.
pub struct Lie<'a> {
    /// Where its middle is, n x 2: row and column of the image.
    pub places: &'a Array,
    /// n x 3: `a`, `b` and the light.
    pub looks: &'a Array,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    channels: u32,
    height: u32,
    width: u32,
    patch_height: u32,
    patch_width: u32,
    darkest: f32,
}

impl Params {
    fn new(elements: usize, image: Image, patch: Image, darkest: f32) -> Self {
        Self {
            elements: elements as u32,
            channels: image.channels as u32,
            height: image.height as u32,
            width: image.width as u32,
            patch_height: patch.height as u32,
            patch_width: patch.width as u32,
            darkest,
        }
    }
}

fn elements(image: Image) -> usize {
    image.channels * image.height * image.width
}

fn check(kernel: &'static str, lie: &Lie, rows: usize) -> Result<(), Error> {
    lie.places.expect_shape(kernel, "places", rows, 2)?;
    lie.looks.expect_shape(kernel, "looks", rows, 3)
}

/// Each row of `images`, laid out as `image`, under the same row of `patches`, laid out as `patch`; both have the same channels.
pub fn paste(
    (patches, patch): (&Array, Image),
    (images, image): (&Array, Image),
    lie: &Lie,
    darkest: f32,
) -> Result<Array, Error> {
    let (rows, device) = (images.rows(), images.device());
    images.expect_shape("paste", "images", rows, elements(image))?;
    patches.expect_shape("paste", "patches", rows, elements(patch))?;
    check("paste", lie, rows)?;
    let mut pasted = images.copy()?;
    if images.is_empty() || patches.is_empty() {
        return Ok(pasted);
    }
    match &device {
        Device::Cpu => {
            let (places, looks) = (lie.places.host("paste")?, lie.looks.host("paste")?);
            let rows = pasted
                .host_mut("paste")?
                .par_chunks_mut(elements(image))
                .zip(patches.host("paste")?.par_chunks(elements(patch)))
                .zip(places.par_chunks(2).zip(looks.par_chunks(3)));
            rows.for_each(|((pasted, patches), (place, look))| {
                let [.., light] = *look else { return };
                Lying::new(image, patch, place, look).each(|pixel, elements| {
                    let planes = pasted.chunks_mut(image.height * image.width);
                    for (to, from) in planes.zip(patches.chunks(patch.height * patch.width)) {
                        let value: f32 = elements.iter().map(|&(at, w)| w * from[at]).sum();
                        to[pixel] = darkest + light * (value - darkest);
                    }
                });
            });
        }
        Device::Gpu(gpu) => {
            let threads = pasted.rows() * pasted.cols();
            let params = Params::new(threads, image, patch, darkest);
            let arrays = [
                patches.buffer("paste", gpu)?,
                images.buffer("paste", gpu)?,
                lie.places.buffer("paste", gpu)?,
                lie.looks.buffer("paste", gpu)?,
                pasted.buffer("paste", gpu)?,
            ];
            launch(gpu, &PASTE, &params, &arrays, Grid::Threads(threads))?;
        }
    }
    Ok(pasted)
}

/// The derivative by the patches, laid out as `patch`, of what has the derivative `by_images` by the pasted images.
pub fn peel((by_images, image): (&Array, Image), patch: Image, lie: &Lie) -> Result<Array, Error> {
    let (rows, device) = (by_images.rows(), by_images.device());
    by_images.expect_shape("peel", "by_images", rows, elements(image))?;
    check("peel", lie, rows)?;
    let mut peeled = Array::zeros(&device, rows, elements(patch))?;
    if by_images.is_empty() || peeled.is_empty() {
        return Ok(peeled);
    }
    match &device {
        Device::Cpu => {
            let (places, looks) = (lie.places.host("peel")?, lie.looks.host("peel")?);
            let rows = peeled
                .host_mut("peel")?
                .par_chunks_mut(elements(patch))
                .zip(by_images.host("peel")?.par_chunks(elements(image)))
                .zip(places.par_chunks(2).zip(looks.par_chunks(3)));
            rows.for_each(|((peeled, by_images), (place, look))| {
                let [.., light] = *look else { return };
                Lying::new(image, patch, place, look).each(|pixel, elements| {
                    let planes = peeled.chunks_mut(patch.height * patch.width);
                    for (to, from) in planes.zip(by_images.chunks(image.height * image.width)) {
                        elements
                            .iter()
                            .for_each(|&(at, w)| to[at] += light * w * from[pixel]);
                    }
                });
            });
        }
        Device::Gpu(gpu) => {
            let threads = peeled.rows() * peeled.cols();
            let params = Params::new(threads, image, patch, 0.0);
            let arrays = [
                by_images.buffer("peel", gpu)?,
                lie.places.buffer("peel", gpu)?,
                lie.looks.buffer("peel", gpu)?,
                peeled.buffer("peel", gpu)?,
            ];
            launch(gpu, &PEEL, &params, &arrays, Grid::Threads(threads))?;
        }
    }
    Ok(peeled)
}

/// One patch on one image.
struct Lying {
    image: Image,
    patch: Image,
    place: [f32; 2],
    turn: [f32; 2],
}

impl Lying {
    fn new(image: Image, patch: Image, place: &[f32], look: &[f32]) -> Self {
        Self {
            image,
            patch,
            place: [place[0], place[1]],
            turn: [look[0], look[1]],
        }
    }

    /// Hands over every pixel of a plane that the patch hides, with the elements that it shows and their weights.
    fn each(&self, mut take: impl FnMut(usize, [(usize, f32); 4])) {
        let ([row, column], [a, b]) = (self.place, self.turn);
        let Image { height, width, .. } = self.patch;
        let (last_y, last_x) = (height as f32 - 1.0, width as f32 - 1.0);
        let square = 1.0 / (a * a + b * b);
        let half = |along: f32, across: f32| {
            0.5 * square * (along.abs() * height as f32 + across.abs() * width as f32)
        };
        for r in within(row, half(a, b), self.image.height) {
            for c in within(column, half(b, a), self.image.width) {
                let (down, right) = (r as f32 - row, c as f32 - column);
                let y = 0.5 * last_y + a * down + b * right;
                let x = 0.5 * last_x + a * right - b * down;
                if !(y >= -0.5 && x >= -0.5 && y < last_y + 0.5 && x < last_x + 0.5) {
                    continue;
                }
                let (top, below, share_y) = neighbours(y, last_y);
                let (left, beside, share_x) = neighbours(x, last_x);
                take(
                    r * self.image.width + c,
                    [
                        (top * width + left, (1.0 - share_y) * (1.0 - share_x)),
                        (top * width + beside, (1.0 - share_y) * share_x),
                        (below * width + left, share_y * (1.0 - share_x)),
                        (below * width + beside, share_y * share_x),
                    ],
                );
            }
        }
    }
}

/// The pixels of an axis that a patch may reach.
fn within(middle: f32, half: f32, size: usize) -> Range<usize> {
    let pixel = |at: f32| at.clamp(0.0, size as f32) as usize;
    pixel((middle - half).floor())..pixel((middle + half).ceil() + 1.0)
}

/// The elements before and after a place on the patch, and the share of the latter.
fn neighbours(at: f32, last: f32) -> (usize, usize, f32) {
    let at = at.clamp(0.0, last);
    let before = at.floor();
    (
        before as usize,
        (before + 1.0).min(last) as usize,
        at - before,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    fn image(channels: usize, height: usize, width: usize) -> Image {
        Image {
            channels,
            height,
            width,
        }
    }

    struct Case {
        rows: usize,
        image: Image,
        patch: Image,
        patches: Vec<f32>,
        images: Vec<f32>,
        places: Vec<f32>,
        looks: Vec<f32>,
    }

    impl Case {
        fn random(random: &mut Random) -> Self {
            let channels = 1 + random.below(3);
            let image = image(channels, 1 + random.below(20), 1 + random.below(20));
            let patch = Image {
                channels,
                height: 1 + random.below(12),
                width: 1 + random.below(12),
            };
            let rows = 1 + random.below(4);
            let mut floats = |n: usize, lo, hi| random.floats(rows * n, lo, hi);
            let places = floats(2, -3.0, 20.0);
            let scale = floats(1, 0.3, 1.5);
            let turn = floats(1, -3.0, 3.0);
            let light = floats(1, 0.2, 1.0);
            let looks = (0..rows).flat_map(|i| {
                let (sin, cos) = turn[i].sin_cos();
                [cos / scale[i], sin / scale[i], light[i]]
            });
            let looks = looks.collect();
            Case {
                patches: floats(elements(patch), 0.0, 1.0),
                images: floats(elements(image), 0.0, 1.0),
                rows,
                image,
                patch,
                places,
                looks,
            }
        }

        fn lying<T>(&self, device: &Device, run: impl FnOnce(&Lie) -> T) -> T {
            let array = |cols, data: &[f32]| {
                Array::from_vec(device, self.rows, cols, data.to_vec()).unwrap()
            };
            let (places, looks) = (array(2, &self.places), array(3, &self.looks));
            run(&Lie {
                places: &places,
                looks: &looks,
            })
        }

        fn paste(&self, patches: &[f32], device: &Device) -> Vec<f32> {
            let array = |data: &[f32], of: Image| {
                Array::from_vec(device, self.rows, elements(of), data.to_vec()).unwrap()
            };
            let (patches, images) = (array(patches, self.patch), array(&self.images, self.image));
            let pasted = self.lying(device, |lie| {
                paste((&patches, self.patch), (&images, self.image), lie, 0.1)
            });
            pasted.unwrap().to_vec().unwrap()
        }

        fn peel(&self, by_images: &[f32], device: &Device) -> Vec<f32> {
            let cols = elements(self.image);
            let by_images = Array::from_vec(device, self.rows, cols, by_images.to_vec()).unwrap();
            let peeled = self.lying(device, |lie| {
                peel((&by_images, self.image), self.patch, lie)
            });
            peeled.unwrap().to_vec().unwrap()
        }
    }

    #[test]
    fn by_hand_on_every_device() {
        let (side, patch) = (image(1, 4, 4), image(1, 2, 2));
        let (s, quarter) = (9.0, [0.0, 1.0]);
        for device in testing::devices() {
            for (place, turn, expected) in [
                (
                    [0.5, 0.5],
                    [1.0, 0.0],
                    [1., 2., s, s, 3., 4., s, s, s, s, s, s, s, s, s, s],
                ),
                (
                    [2.5, 1.5],
                    [1.0, 0.0],
                    [s, s, s, s, s, s, s, s, s, 1., 2., s, s, 3., 4., s],
                ),
                (
                    [0.5, 3.5],
                    [1.0, 0.0],
                    [s, s, s, 1., s, s, s, 3., s, s, s, s, s, s, s, s],
                ),
                (
                    [0.5, 0.5],
                    quarter,
                    [2., 4., s, s, 1., 3., s, s, s, s, s, s, s, s, s, s],
                ),
            ] {
                let case = Case {
                    rows: 1,
                    image: side,
                    patch,
                    patches: vec![1.0, 2.0, 3.0, 4.0],
                    images: vec![s; 16],
                    places: place.to_vec(),
                    looks: vec![turn[0], turn[1], 1.0],
                };
                let got = case.paste(&case.patches, &device);
                assert_close(&format!("{place:?} {turn:?}"), &got, &expected, 1e-5);
            }
        }
    }

    #[test]
    fn a_patch_hides_as_many_pixels_as_it_has() {
        let mut random = Random::new(111);
        for _ in 0..50 {
            let mut case = Case::random(&mut random);
            case.rows = 1;
            (case.image, case.patch) = (image(1, 20, 20), image(1, 5, 7));
            case.images = vec![9.0; 400];
            case.places = random.floats(2, 4.0, 15.0);
            case.looks = vec![1.0, 0.0, 1.0];
            for device in testing::devices() {
                let pasted = case.paste(&[0.0; 35], &device);
                assert_eq!(pasted.iter().filter(|v| **v == 0.0).count(), 35);
            }
        }
    }

    /// `<g, paste(p + d) - paste(p)> = <peel(g), d>`, for pasting is affine in the patch.
    #[test]
    fn peeling_is_the_adjoint_of_pasting_on_every_device() {
        let mut random = Random::new(112);
        for _ in 0..100 {
            let case = Case::random(&mut random);
            let by_images = random.floats(case.images.len(), -1.0, 1.0);
            let change = random.floats(case.patches.len(), -1.0, 1.0);
            let moved: Vec<f32> = case
                .patches
                .iter()
                .zip(&change)
                .map(|(p, d)| p + d)
                .collect();
            for device in testing::devices() {
                let (from, to) = (
                    case.paste(&case.patches, &device),
                    case.paste(&moved, &device),
                );
                let pairs = by_images.iter().zip(from.iter().zip(&to));
                let left: f64 = pairs
                    .map(|(g, (from, to))| f64::from(*g) * f64::from(to - from))
                    .sum();
                let peeled = case.peel(&by_images, &device);
                let pairs = peeled.iter().zip(&change);
                let right: f64 = pairs.map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
                assert!((left - right).abs() < 1e-4, "{left} {right} {device:?}");
            }
        }
    }

    #[test]
    fn the_shaders_agree_with_the_twins() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(113);
        for _ in 0..100 {
            let case = Case::random(&mut random);
            let what = format!("{:?} on {:?}", case.patch, case.image);
            let pasted = |device: &Device| case.paste(&case.patches, device);
            assert_close(&what, &pasted(&gpu), &pasted(&Device::Cpu), 1e-4);
            let by_images = random.floats(case.images.len(), -1.0, 1.0);
            let peeled = |device: &Device| case.peel(&by_images, device);
            assert_close(&what, &peeled(&gpu), &peeled(&Device::Cpu), 1e-4);
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::zeros(&Device::Cpu, rows, cols).unwrap();
        let (side, small) = (image(1, 4, 4), image(1, 2, 2));
        let (places, looks) = (array(2, 2), array(2, 3));
        let lie = Lie {
            places: &places,
            looks: &looks,
        };
        let run = |patches: Array, images: Array| {
            paste((&patches, small), (&images, side), &lie, 0.0).is_ok()
        };
        assert!(run(array(2, 4), array(2, 16)));
        assert!(!run(array(2, 3), array(2, 16)) && !run(array(2, 4), array(1, 16)));
        assert!(peel((&array(3, 16), side), small, &lie).is_err());
    }
}
