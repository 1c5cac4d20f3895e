//! Scaler: `(x - offset) * scale`, by column, or by one number each.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::matrix;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let list = |name| Ok::<_, Fault>(node.attributes.floats(name)?.unwrap_or_default().to_vec());
    let (offset, scale) = (list("offset")?, list("scale")?);
    if offset.is_empty() || offset.len() != scale.len() {
        return Err(Fault::shape(format!(
            "{} offsets and {} scales are not as many",
            offset.len(),
            scale.len()
        )));
    }
    Ok(Box::new(Scaler { offset, scale }))
}

impl<B: Backend> Operator<B> for Scaler {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [_, columns] = matrix::rows_and_columns(inputs)?;
        if self.offset.len() > 1 {
            matrix::check_columns(columns, self.offset.len())?;
        }
        Ok(vec![Fact::float(inputs.shape(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let row = [1, self.offset.len()];
        let offset = inputs.upload(&row, self.offset.clone());
        let scale = inputs.upload(&row, self.scale.clone());
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(matrix::of(&shape)?));
        let scaled = B::float_mul(B::float_sub(x, offset), scale);
        Ok(vec![B::float_reshape(scaled, Shape::from(shape))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        matrix::samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |offset: &[f32], scale: &[f32]| {
            Case::new("Scaler")
                .domain("ai.onnx.ml")
                .floats("offset", offset)
                .floats("scale", scale)
        };
        let x = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let columns = case(&[1.0, 2.0], &[2.0, 0.5]).input(x());
        columns.gives(&[2, 2], &[0.0, 0.0, 4.0, 1.0]);
        columns.gradient_agrees();
        let one = case(&[1.0], &[2.0]);
        one.input(ints(&[3], &[1, 2, 3]))
            .gives(&[3], &[0.0, 2.0, 4.0]);
        case(&[1.0], &[1.0, 2.0]).fails("1 offsets and 2 scales");
        let three = case(&[0.0; 3], &[1.0; 3]).input(x());
        three.fails("2 features, the operator 3");
    }
}
