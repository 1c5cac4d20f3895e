//! Identity, and Dropout at inference, which is the identity. Any shape; integers pass too.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Data, Node};

use crate::Fault;
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

/// Dropout; refused where the export asks for training mode, which is random.
pub(super) fn parse_dropout<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let flag = node.inputs.get(2).filter(|name| !name.is_empty());
    let off = |name: &String| match context.constants.get(name) {
        Some(tensor) => tensor.data == Data::Bool(vec![false]),
        None => false,
    };
    if flag.is_some_and(|name| !off(name)) {
        return Err(Fault::Unsupported(
            "training mode; export in evaluation mode: it".into(),
        ));
    }
    let mask = node.outputs.get(1).is_some_and(|name| !name.is_empty());
    Ok(Box::new(Identity { mask }))
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
        let dropout = |training| {
            Case::new("Dropout")
                .input(floats(&[1], &[3.0]))
                .constant(floats(&[], &[0.5]))
                .constant(bools(&[], &[training]))
        };
        dropout(false).gives(&[1], &[3.0]);
        dropout(true).fails("training mode");
    }
}
