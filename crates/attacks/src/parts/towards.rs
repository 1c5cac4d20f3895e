//! Targeted attacks: a target seen as one class against the rest, which any attack takes on as it is.

use scoville_kernels::{Array, Device, Loss, Map, against_rest, claim, is_class, map, select};
use scoville_targets::{Error, Evaluation, Features, Gradients, Labels, Scores};

/// `target` as a classifier of two classes: 1 is `class`, 0 all the others together. Who makes it answer 1 to a sample
/// labelled 0 has reached `class`.
pub struct Towards<'a, T: ?Sized> {
    pub target: &'a T,
    pub class: u32,
}

impl<T: Labels + ?Sized> Labels for Towards<'_, T> {
    fn classes(&self) -> usize {
        2
    }

    fn sample_shape(&self) -> &[usize] {
        self.target.sample_shape()
    }

    fn device(&self) -> &Device {
        self.target.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        Ok(is_class(&self.target.labels(x)?, self.class)?)
    }
}

impl<T: Scores + ?Sized> Scores for Towards<'_, T> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        Ok(against_rest(&self.target.scores(x)?, self.class)?)
    }
}

impl<T: Gradients + ?Sized> Gradients for Towards<'_, T> {
    /// The loss that falls as `class` becomes likelier, turned round: cross-entropy or the margin at `class` over all classes,
    /// not over the two. DLR is the margin over a spread of logits, and to make that larger is no way to a class far from the
    /// top: the margin stands for it. `y` is 0 in every row.
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        let device = self.device();
        let class = Array::from_vec(device, y.rows(), 1, vec![self.class; y.rows()])?;
        let at_class = match loss {
            Loss::TargetedMargin | Loss::TargetedDlr | Loss::Dlr => Loss::Margin,
            other => other,
        };
        let mut seen = self.target.gradient(x, &class, at_class)?;
        let turned = Map::Affine {
            scale: -1.0,
            shift: 0.0,
        };
        map(&mut seen.loss, turned)?;
        map(&mut seen.gradient, turned)?;
        let predicted = is_class(&seen.predicted, self.class)?;
        // The loss of an answer that is not finite is the lowest there is, and stays so.
        let neither = Array::from_vec(device, y.rows(), 1, vec![2; y.rows()])?;
        let finite = claim(
            &mut Array::zeros(device, y.rows(), 1)?,
            &predicted,
            &neither,
        )?;
        let mut loss = Array::filled(device, y.rows(), 1, f32::MIN)?;
        select(&mut loss, &seen.loss, &finite)?;
        Ok(Evaluation {
            loss,
            predicted,
            gradient: seen.gradient,
        })
    }

    /// That of all classes: it knows of no aim.
    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.target.divergence(x, from)
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.target.inside()
    }
}

#[cfg(test)]
mod tests {
    use scoville_kernels::{INVALID, divergence, head};

    use super::*;

    /// Logits `(x, 2 x, -x)` of one feature.
    struct Line;

    const SLOPES: [f32; 3] = [1.0, 2.0, -1.0];

    impl Labels for Line {
        fn classes(&self) -> usize {
            3
        }

        fn sample_shape(&self) -> &[usize] {
            &[1]
        }

        fn device(&self) -> &Device {
            &Device::Cpu
        }

        fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
            let y = Array::zeros(&Device::Cpu, x.rows(), 1)?;
            Ok(head(&self.scores(x)?, &y, Loss::Margin)?.predicted)
        }
    }

    impl Scores for Line {
        fn scores(&self, x: &Array) -> Result<Array, Error> {
            let logits = |v: f32| SLOPES.map(|slope| slope * v);
            let z = x.to_vec()?.into_iter().flat_map(logits).collect();
            Ok(Array::from_vec(&Device::Cpu, x.rows(), 3, z)?)
        }
    }

    impl Gradients for Line {
        fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
            let head = head(&self.scores(x)?, y, loss)?;
            let slope = |dz: &[f32]| dz.iter().zip(SLOPES).map(|(d, s)| d * s).sum();
            let gradient = head.dlogits.to_vec()?.chunks(3).map(slope).collect();
            Ok(Evaluation {
                loss: head.loss,
                predicted: head.predicted,
                gradient: Array::from_vec(&Device::Cpu, x.rows(), 1, gradient)?,
            })
        }

        fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
            let slopes = divergence(&self.scores(x)?, &self.scores(from)?)?.to_vec()?;
            let slope = |dz: &[f32]| dz.iter().zip(SLOPES).map(|(d, s)| d * s).sum();
            let gradient = slopes.chunks(3).map(slope).collect();
            Ok(Array::from_vec(&Device::Cpu, x.rows(), 1, gradient)?)
        }
    }

    fn column(values: &[f32]) -> Array {
        Array::from_vec(&Device::Cpu, values.len(), 1, values.to_vec()).unwrap()
    }

    #[test]
    fn answers_say_whether_the_class_is_reached() {
        let view = Towards {
            target: &Line,
            class: 1,
        };
        let x = column(&[1.0, -1.0, f32::NAN]);
        assert_eq!(view.labels(&x).unwrap().to_vec().unwrap(), [1, 0, INVALID]);
        let scores = view.scores(&x).unwrap().to_vec().unwrap();
        assert_eq!(scores[..4], [1.0, 2.0, 1.0, -2.0]);
        assert!(scores[4].is_nan() && scores[5].is_nan());
    }

    #[test]
    fn the_loss_rises_towards_the_class() {
        let view = Towards {
            target: &Line,
            class: 1,
        };
        let y = Array::zeros(&Device::Cpu, 1, 1).unwrap();
        for loss in [Loss::CrossEntropy, Loss::Margin, Loss::TargetedMargin] {
            let at = |v: f32| view.gradient(&column(&[v]), &y, loss).unwrap();
            let loss_at = |v: f32| at(v).loss.to_vec().unwrap()[0];
            for x in [-2.0, -0.5, 0.7] {
                let slope = at(x).gradient.to_vec().unwrap()[0];
                let difference = (loss_at(x + 0.01) - loss_at(x - 0.01)) / 0.02;
                assert!(slope > 0.0, "{loss:?} at {x}");
                assert!(
                    (slope - difference).abs() < 1e-2,
                    "{loss:?}: {slope} {difference}"
                );
            }
        }
        let lost = view
            .gradient(&column(&[f32::INFINITY]), &y, Loss::Margin)
            .unwrap();
        assert_eq!(lost.loss.to_vec().unwrap(), [f32::MIN]);
    }
}
