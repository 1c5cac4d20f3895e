//! Identity, and Dropout at inference, which is the identity. Any shape; integers pass too.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{Data, Node};

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Identity;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Identity))
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
    Ok(Box::new(Identity))
}

impl<B: Backend> Operator<B> for Identity {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![inputs.any(0)?.clone()])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![inputs.float(0)?])
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
