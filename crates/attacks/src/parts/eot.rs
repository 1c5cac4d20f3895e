//! Expectation over transformation: the gradient of a target that answers at random is the mean of several.
//!
//! Athalye et al. 2018, <https://arxiv.org/abs/1802.00420>.

use scoville_kernels::{Array, Device, Loss, combine};
use scoville_targets::{Error, Evaluation, Features, Gradients, Labels, Scores};

/// A target whose every gradient is the mean of `samples` evaluations, and whose answers are those of `target`.
pub struct Eot<'a> {
    pub target: &'a dyn Gradients,
    pub samples: usize,
}

impl Labels for Eot<'_> {
    fn classes(&self) -> usize {
        self.target.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.target.sample_shape()
    }

    fn device(&self) -> &Device {
        self.target.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        self.target.labels(x)
    }
}

impl Scores for Eot<'_> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        self.target.scores(x)
    }
}

impl Gradients for Eot<'_> {
    /// Loss and gradient are means; the prediction is the first evaluation's.
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        let mut mean = self.target.gradient(x, y, loss)?;
        for already in 1..self.samples {
            let share = 1.0 / (already + 1) as f32;
            let another = self.target.gradient(x, y, loss)?;
            combine(&mut mean.loss, 1.0 - share, &another.loss, share)?;
            combine(&mut mean.gradient, 1.0 - share, &another.gradient, share)?;
        }
        Ok(mean)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        let mut mean = self.target.divergence(x, from)?;
        for already in 1..self.samples {
            let share = 1.0 / (already + 1) as f32;
            let another = self.target.divergence(x, from)?;
            combine(&mut mean, 1.0 - share, &another, share)?;
        }
        Ok(mean)
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.target.inside()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Its n-th gradient is n everywhere.
    struct Counting(Cell<f32>);

    impl Labels for Counting {
        fn classes(&self) -> usize {
            2
        }

        fn sample_shape(&self) -> &[usize] {
            &[3]
        }

        fn device(&self) -> &Device {
            &Device::Cpu
        }

        fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
            Ok(Array::zeros(&Device::Cpu, x.rows(), 1)?)
        }
    }

    impl Scores for Counting {
        fn scores(&self, x: &Array) -> Result<Array, Error> {
            Ok(Array::zeros(&Device::Cpu, x.rows(), 2)?)
        }
    }

    impl Gradients for Counting {
        fn gradient(&self, x: &Array, _: &Array<u32>, _: Loss) -> Result<Evaluation, Error> {
            let count = self.0.get() + 1.0;
            self.0.set(count);
            Ok(Evaluation {
                loss: Array::filled(&Device::Cpu, x.rows(), 1, 10.0 * count)?,
                predicted: self.labels(x)?,
                gradient: Array::filled(&Device::Cpu, x.rows(), x.cols(), count)?,
            })
        }

        fn divergence(&self, x: &Array, _: &Array) -> Result<Array, Error> {
            let count = self.0.get() + 1.0;
            self.0.set(count);
            Ok(Array::filled(&Device::Cpu, x.rows(), x.cols(), count)?)
        }
    }

    #[test]
    fn a_gradient_is_the_mean_of_its_samples() {
        for (samples, mean) in [(1, 1.0), (2, 1.5), (5, 3.0), (20, 10.5)] {
            let target = Counting(Cell::new(0.0));
            let eot = Eot {
                target: &target,
                samples,
            };
            let x = Array::zeros(&Device::Cpu, 2, 3).unwrap();
            let y = Array::zeros(&Device::Cpu, 2, 1).unwrap();
            let seen = eot.gradient(&x, &y, Loss::Margin).unwrap();
            let near = |values: Vec<f32>, wanted: f32| {
                assert!(values.iter().all(|v| (v - wanted).abs() < 1e-4 * wanted));
            };
            near(seen.gradient.to_vec().unwrap(), mean);
            near(seen.loss.to_vec().unwrap(), 10.0 * mean);
            assert_eq!(target.0.get(), samples as f32);
        }
    }
}
