//! Several models as one target: what fools them all is more likely to fool another.
//!
//! Liu et al. 2017, <https://arxiv.org/abs/1611.02770>, add up probabilities; adding up logits serves better (Dong et al.
//! 2018, <https://arxiv.org/abs/1710.06081>).

use scoville_kernels::{Array, Device, Loss, Map, combine, divergence, head, map};
use scoville_runtime::Model;

use crate::{Error, Evaluation, Features, Gradients, Labels, ModelTarget, OnDevice, Scores};

/// A classifier whose logits are the mean of its members'. They have the same samples, classes and device.
pub struct Ensemble {
    first: ModelTarget,
    others: Vec<ModelTarget>,
}

impl Ensemble {
    /// One member is enough.
    pub fn new(first: ModelTarget, others: Vec<ModelTarget>) -> Self {
        Self { first, others }
    }

    pub fn members(&self) -> impl Iterator<Item = &ModelTarget> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// The gradient at `x` of what has the derivatives `slope` with respect to the mean logits.
    fn pull(&self, x: &Array, slope: &mut Array) -> Result<Array, Error> {
        let (scale, shift) = (1.0 / (1 + self.others.len()) as f32, 0.0);
        map(slope, Map::Affine { scale, shift })?;
        let part = |member: &ModelTarget| {
            let model = member.model();
            model
                .gradient(x, &mut |_| slope.copy())
                .map(|(_, part)| part)
        };
        let mut gradient = part(&self.first)?;
        for member in &self.others {
            combine(&mut gradient, 1.0, &part(member)?, 1.0)?;
        }
        Ok(gradient)
    }
}

impl OnDevice for Ensemble {
    /// The first member.
    fn model(&self) -> &Model {
        self.first.model()
    }

    fn is_random(&self) -> bool {
        self.members().any(OnDevice::is_random)
    }
}

impl Labels for Ensemble {
    fn classes(&self) -> usize {
        self.first.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.first.sample_shape()
    }

    fn device(&self) -> &Device {
        self.first.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        let any = Array::zeros(self.device(), x.rows(), 1)?;
        Ok(head(&self.scores(x)?, &any, Loss::Margin)?.predicted)
    }
}

impl Scores for Ensemble {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        let mut mean = self.first.scores(x)?;
        for (already, member) in (1..).zip(&self.others) {
            let share = 1.0 / (already + 1) as f32;
            combine(&mut mean, 1.0 - share, &member.scores(x)?, share)?;
        }
        Ok(mean)
    }
}

impl Gradients for Ensemble {
    /// Of several members each runs twice: the mean of all logits comes before any gradient.
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        if self.others.is_empty() {
            return self.first.gradient(x, y, loss);
        }
        let mut seen = head(&self.scores(x)?, y, loss)?;
        let gradient = self.pull(x, &mut seen.dlogits)?;
        Ok(Evaluation {
            loss: seen.loss,
            predicted: seen.predicted,
            gradient,
        })
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        if self.others.is_empty() {
            return self.first.divergence(x, from);
        }
        let mut slope = divergence(&self.scores(x)?, &self.scores(from)?)?;
        self.pull(x, &mut slope)
    }

    /// Several members have no inner layer in common.
    fn inside(&self) -> Option<&dyn Features> {
        self.others
            .is_empty()
            .then_some(&self.first as &dyn Features)
    }
}
