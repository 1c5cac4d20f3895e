//! Adam (Kingma & Ba 2015), at a rate that falls to nothing along a half cosine.

use crate::network::Network;
use crate::random::Random;
use crate::{Error, tape};

/// Samples a step.
const BATCH: usize = 32;
/// Pixels that an image is moved by at most.
const SHIFT: usize = 2;
const RATE: f32 = 2e-3;
const MEAN: f32 = 0.9;
const SQUARE: f32 = 0.999;

/// Fits `network` to the scaled samples `x`, whose rows are to be given the probabilities `wanted`, in so many steps; `heed`
/// may end it before any pass over them.
///
/// Images are moved about by a few pixels, for there are never many of them.
pub(crate) fn fit(
    network: &mut Network,
    x: &[f32],
    wanted: &[f32],
    steps: usize,
    random: &mut Random,
    heed: &dyn Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    let (sample, classes) = (network.sample.iter().product::<usize>(), network.classes);
    let n = wanted.len() / classes;
    let mut moments: Vec<Moments> = network
        .parameters
        .iter()
        .map(|p| Moments::new(p.value.len()))
        .collect();
    let mut step = 0;
    while step < steps {
        heed()?;
        for rows in random.order(n).chunks(BATCH).take(steps - step) {
            step += 1;
            let mut batch = Vec::with_capacity(rows.len() * sample);
            for row in rows {
                push(&mut batch, &x[row * sample..][..sample], network, random);
            }
            let wanted: Vec<f32> = rows
                .iter()
                .flat_map(|row| &wanted[row * classes..][..classes])
                .copied()
                .collect();
            let gradients = tape::gradient(network, batch, &wanted)?;
            let rate = rate(step, steps);
            let parameters = network.parameters.iter_mut().zip(&mut moments);
            for ((parameter, moments), gradient) in parameters.zip(gradients) {
                moments.step(&mut parameter.value, &gradient, rate);
            }
        }
    }
    Ok(())
}

/// Adds a sample, an image moved by up to [`SHIFT`] pixels each way with its edge repeated.
fn push(batch: &mut Vec<f32>, x: &[f32], network: &Network, random: &mut Random) {
    let (true, &[_, height, width]) = (network.is_convolutional(), network.sample.as_slice())
    else {
        batch.extend(x);
        return;
    };
    let [down, right] = [random.below(2 * SHIFT + 1), random.below(2 * SHIFT + 1)];
    let from = |at: usize, by: usize, size: usize| (at + by).saturating_sub(SHIFT).min(size - 1);
    for plane in x.chunks_exact(height * width) {
        for row in 0..height {
            let row = &plane[from(row, down, height) * width..][..width];
            batch.extend((0..width).map(|col| row[from(col, right, width)]));
        }
    }
}

/// The rate of a step, with the correction of both moments.
fn rate(step: usize, of: usize) -> f32 {
    let phase = std::f32::consts::PI * step as f32 / of as f32;
    let step = step as i32;
    0.5 * RATE * (1.0 + phase.cos()) * (1.0 - SQUARE.powi(step)).sqrt() / (1.0 - MEAN.powi(step))
}

struct Moments {
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Moments {
    fn new(n: usize) -> Self {
        Self {
            mean: vec![0.0; n],
            square: vec![0.0; n],
        }
    }

    fn step(&mut self, value: &mut [f32], gradient: &[f32], rate: f32) {
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((value, &g), (mean, square)) in value.iter_mut().zip(gradient).zip(moments) {
            *mean = MEAN * *mean + (1.0 - MEAN) * g;
            *square = SQUARE * *square + (1.0 - SQUARE) * g * g;
            *value -= rate * *mean / (square.sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_moves_and_features_do_not() {
        let mut random = Random(1);
        let x: Vec<f32> = (0..64u8).map(f32::from).collect();
        let moved = |sample: &[usize], random: &mut Random| {
            let network = Network::new(sample, 2, &x, random).unwrap();
            let mut batch = Vec::new();
            push(&mut batch, &x, &network, random);
            batch
        };
        assert_eq!(moved(&[64], &mut random), x);
        let mut corners: Vec<f32> = (0..200)
            .map(|_| moved(&[1, 8, 8], &mut random)[0])
            .collect();
        corners.sort_by(f32::total_cmp);
        corners.dedup();
        // The first pixel comes from the first three rows and columns.
        assert_eq!(corners, [0.0, 1.0, 2.0, 8.0, 9.0, 10.0, 16.0, 17.0, 18.0]);
    }
}
