//! Identity, and Dropout at inference, which is the identity. Any shape; integers pass too.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Data, Node};

use crate::Fault;
use crate::ops::random::parse_dropout as parse_training;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct Identity {
    /// Dropout has a second output.
    mask: bool,
}

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Identity { mask: false }))
}

/// Dropout; in training mode, which some defences export, it drops.
pub(super) fn parse_dropout<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let mask = node.outputs.get(1).is_some_and(|name| !name.is_empty());
    let Some(flag) = node.inputs.get(2).filter(|name| !name.is_empty()) else {
        return Ok(Box::new(Identity { mask }));
    };
    match context.constants.get(flag).map(|tensor| &tensor.data) {
        Some(Data::Bool(values)) if values.as_slice() == [false] => Ok(Box::new(Identity { mask })),
        Some(Data::Bool(values)) if values.as_slice() == [true] => parse_training(node, mask),
        _ => Err(Fault::Unsupported(
            "a training mode that is not known before the run: it".into(),
        )),
    }
}

impl<B: Backend> Operator<B> for Identity {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        if !self.mask {
            return Ok(vec![x.clone()]);
        }
        // Dropout's mask: nothing is dropped.
        let ones = Elements::Int(vec![1; x.len()]);
        let mask = Fact::known(DType::Bool, x.shape().to_vec(), ones);
        Ok(vec![x.clone(), mask])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        // The mask is known, so its tensor is not looked at.
        let x = inputs.tensor(0)?;
        Ok(vec![x.clone(), x])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        Some(vec![*samples.first()?; outputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, floats};

    #[test]
    fn values() {
        for op in ["Identity", "Dropout"] {
            Case::new(op)
                .input(floats(&[1, 2], &[1.0, -2.0]))
                .gives(&[1, 2], &[1.0, -2.0]);
        }
        let dropout = Case::new("Dropout")
            .input(floats(&[1], &[3.0]))
            .constant(floats(&[], &[0.5]));
        dropout
            .clone()
            .constant(bools(&[], &[false]))
            .gives(&[1], &[3.0]);
        dropout
            .input(bools(&[], &[false]))
            .fails("training mode that is not known");
    }
}
