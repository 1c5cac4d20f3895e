//! Procedural digits: 28 x 28 grey images of 0 to 9, any number of them, from a seed.
//!
//! A sample is strokes (`strokes`) bent and placed at random (`pose`), drawn with anti-aliasing
//! (`raster`) and put on an uneven, noisy ground. Only IEEE `+ - * / sqrt` are used and pixels
//! are rounded to the grid of 1/255, so that every machine makes the same bytes.

mod pose;
mod raster;
mod strokes;

use crate::Dataset;
use crate::dataset::{decimal_names, pixels};
use crate::philox::Philox;
use crate::samples::Samples;
use pose::Pose;
use raster::{Canvas, SIDE};

/// Pixels in one image.
pub(crate) const LEN: usize = SIDE * SIDE;
const CLASSES: usize = 10;

/// A half of the data; the two draw from counters that never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    Test,
}

impl Split {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }

    /// The size where none is asked for: MNIST's.
    pub(crate) fn default_len(self) -> usize {
        match self {
            Split::Train => 60_000,
            Split::Test => 10_000,
        }
    }

    fn stream(self) -> u32 {
        match self {
            Split::Train => 0,
            Split::Test => 1,
        }
    }
}

/// The first `n` digits of a split. Sample `i` has label `i % 10` and is the same whatever `n`.
pub fn generate(split: Split, n: usize, seed: u64) -> Dataset {
    Dataset {
        name: format!("glyphs:{}@{seed}", split.name()),
        shape: vec![1, SIDE, SIDE],
        y: (0..n).map(|i| (i % CLASSES) as u32).collect(),
        classes: CLASSES,
        class_names: decimal_names(CLASSES),
        raw: false,
        features: None,
        samples: Samples::Glyphs(Glyphs { split, seed }),
    }
}

/// All digits of a split, each drawn when it is asked for.
#[derive(Debug)]
pub(crate) struct Glyphs {
    split: Split,
    seed: u64,
}

impl Glyphs {
    /// Draws digit `i` into `image`, of [`LEN`] pixels.
    pub(crate) fn draw(&self, i: usize, image: &mut [f32]) {
        let mut rng = Philox::new(self.seed, self.split.stream(), i as u64);
        let bytes = digit(&mut rng, i % CLASSES);
        for (pixel, value) in image.iter_mut().zip(pixels(&bytes)) {
            *pixel = value;
        }
    }
}

fn digit(rng: &mut Philox, class: usize) -> [u8; LEN] {
    let form = *rng.choose(strokes::DIGITS[class]);
    let pose = Pose::random(rng);
    let mut canvas = Canvas::new();
    for stroke in form {
        let radius = (pose.radius(rng), pose.radius(rng));
        let path = strokes::flatten(stroke);
        let path: Vec<_> = path.into_iter().map(|p| pose.place(p)).collect();
        canvas.draw(&path, radius);
    }
    let scratches = scratches(rng);
    develop(rng, &canvas, &scratches)
}

/// None to two stray lines.
fn scratches(rng: &mut Philox) -> Canvas {
    let mut canvas = Canvas::new();
    for _ in 0..*rng.choose(&[0, 0, 1, 2]) {
        let start = [rng.uniform(0.0, SIDE as f32), rng.uniform(0.0, SIDE as f32)];
        let end = start.map(|v| v + 12.0 * rng.triangular());
        let radius = rng.uniform(0.3, 1.0);
        canvas.draw(&[start, end], (radius, radius));
    }
    canvas
}

/// Ink over scratches on a sloping, noisy ground, as bytes.
fn develop(rng: &mut Philox, digit: &Canvas, scratches: &Canvas) -> [u8; LEN] {
    let softness = rng.uniform(0.9, 2.0);
    let ink = rng.uniform(0.5, 1.0);
    let scratch = ink * rng.uniform(0.3, 0.8);
    let ground = rng.uniform(0.0, 0.15);
    let slope = (rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1));
    let noise = rng.uniform(0.01, 0.12);
    let over = |back: f32, ink: f32, distance: f32| {
        back + (ink - back) * (0.5 - distance / softness).clamp(0.0, 1.0)
    };
    let across = |cell: usize| cell as f32 / SIDE as f32 - 0.5;
    let mut image = [0; LEN];
    for (i, (pixel, &distance)) in image.iter_mut().zip(digit.distances()).enumerate() {
        let back = ground + slope.0 * across(i % SIDE) + slope.1 * across(i / SIDE);
        let value = over(over(back, scratch, scratches.distances()[i]), ink, distance);
        let value = value + noise * rng.normal();
        *pixel = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
    image
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SEED: u64 = 0;

    /// The bytes are a promise: models trained on them and published figures rest on this hash.
    #[test]
    fn bytes_are_fixed() {
        let train = "e68007fea46be2d6da801bd178cb14bb9f8455bdf8ff74d8842d4a583108fb85";
        let test = "b0fddf18616830adf38f62933d73cd8c2a209f4b1ce775b90877863481744cea";
        for (split, expected) in [(Split::Train, train), (Split::Test, test)] {
            let digest = generate(split, 100, SEED).check(true).unwrap();
            assert_eq!(digest, expected, "{split:?}");
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_how_many() {
        let many = generate(Split::Test, 50, SEED).read_all().unwrap();
        let few = generate(Split::Test, 13, SEED).read_all().unwrap();
        assert_eq!(few, many[..13 * LEN]);
    }

    #[test]
    fn no_image_twice_within_or_across_splits_and_seeds() {
        let sets = [
            (Split::Train, 0),
            (Split::Test, 0),
            (Split::Train, 1),
            (Split::Test, 1),
        ];
        let sets = sets.map(|(split, seed)| generate(split, 500, seed));
        let images: HashSet<Vec<u32>> = sets
            .iter()
            .flat_map(|set| {
                let all = set.read_all().unwrap();
                let bits = |image: &[f32]| image.iter().map(|v| v.to_bits()).collect();
                all.chunks_exact(LEN).map(bits).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(images.len(), 2_000);
    }

    #[test]
    fn any_first_n_are_balanced_pixels_on_the_grid() {
        let data = generate(Split::Train, 205, SEED);
        let counts = (0..10).map(|c| data.y.iter().filter(|&&y| y == c).count());
        assert!(counts.clone().max().unwrap() - counts.min().unwrap() <= 1);
        let x = data.read_all().unwrap();
        assert_eq!((x.len(), data.classes, data.raw), (205 * LEN, 10, false));
        assert!(
            x.iter()
                .all(|v| (0.0..=1.0).contains(v) && (v * 255.0).round() / 255.0 == *v)
        );
    }

    /// The mean image of a class tells it apart: labels go with shapes, and classes differ.
    #[test]
    fn nearest_class_mean_beats_chance_by_far_and_is_far_from_perfect() {
        let (train, test) = (
            generate(Split::Train, 1_000, SEED),
            generate(Split::Test, 300, SEED),
        );
        let mut means = vec![vec![0.0_f32; LEN]; CLASSES];
        for (i, &label) in train.y.iter().enumerate() {
            means[label as usize]
                .iter_mut()
                .zip(train.read(&[i]).unwrap())
                .for_each(|(m, v)| *m += v / 100.0);
        }
        let distance =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let nearest = |image: &[f32]| {
            (0..CLASSES)
                .min_by(|&a, &b| distance(&means[a], image).total_cmp(&distance(&means[b], image)))
        };
        let right = (0..300)
            .filter(|&i| nearest(&test.read(&[i]).unwrap()) == Some(test.y[i] as usize))
            .count();
        assert!((90..240).contains(&right), "{right} of 300");
    }
}
