//! A model file on a local device: full access (AML.T0044).

use scoville_kernels::{Array, Device, Head, Loss, divergence, head};
use scoville_runtime::Model;

use crate::{ByFeatures, Error, Evaluation, Features, Gradients, Labels, OnDevice, Scores, Trees};

/// A loaded model as a target that gives labels, scores and gradients.
pub struct ModelTarget {
    model: Model,
}

impl ModelTarget {
    pub fn new(model: Model) -> Self {
        Self { model }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// SHA-256 of the weights as they are on the device now, to see that a run has not changed them.
    pub fn weights_digest(&self) -> Result<String, Error> {
        Ok(self.model.weights_digest()?)
    }
}

impl OnDevice for ModelTarget {
    fn model(&self) -> &Model {
        &self.model
    }
}

impl Labels for ModelTarget {
    fn classes(&self) -> usize {
        self.model.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.model.sample_shape()
    }

    fn device(&self) -> &Device {
        self.model.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        let logits = self.scores(x)?;
        let any = Array::zeros(self.device(), x.rows(), 1)?;
        Ok(head(&logits, &any, Loss::Margin)?.predicted)
    }
}

impl Scores for ModelTarget {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        Ok(self.model.logits(x)?)
    }
}

impl Gradients for ModelTarget {
    fn trees(&self) -> Option<&Trees> {
        self.model.trees()
    }

    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        // Until the head was asked.
        let mut seen = (
            Array::zeros(self.device(), 0, 1)?,
            Array::zeros(self.device(), 0, 1)?,
        );
        let (_, gradient) = self.model.gradient(x, &mut |logits| {
            let Head {
                loss,
                predicted,
                dlogits,
                ..
            } = head(logits, y, loss)?;
            seen = (loss, predicted);
            Ok(dlogits)
        })?;
        let (loss, predicted) = seen;
        Ok(Evaluation {
            loss,
            predicted,
            gradient,
        })
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        let from = self.scores(from)?;
        let slope = &mut |logits: &Array| divergence(logits, &from);
        Ok(self.model.gradient(x, slope)?.1)
    }

    fn inside(&self) -> Option<&dyn Features> {
        Some(self)
    }
}

impl Features for ModelTarget {
    fn features(&self, x: &Array) -> Result<Array, Error> {
        Ok(self.model.features(x)?)
    }

    fn features_gradient(&self, x: &Array, by: ByFeatures<'_>) -> Result<Array, Error> {
        Ok(self.model.features_gradient(x, by)?.1)
    }
}
