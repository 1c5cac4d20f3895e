//! A plain operator that a quantised one runs on dequantised or shifted values.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed, row};
use crate::value::{Fact, Facts, Value, Values};

/// An operator of two inputs on integers: the plain one on both, less their zero points.
pub(super) struct OnIntegers<B: Backend> {
    pub plain: Box<dyn Operator<B>>,
    /// The first input, its zero point, the second, its zero point.
    pub inputs: [usize; 4],
    /// Whether the result is scaled and quantised.
    pub linear: bool,
}

impl<B: Backend> OnIntegers<B> {
    /// As in ConvInteger and MatMulInteger.
    pub fn parse(op: &str, node: &Node, context: &Context) -> Result<Self, Fault> {
        Ok(OnIntegers {
            plain: parse(op, node, &[0, 1], context)?,
            inputs: [0, 2, 1, 3],
            linear: false,
        })
    }

    /// As in QLinearConv and QLinearMatMul.
    pub fn parse_linear(op: &str, node: &Node, context: &Context) -> Result<Self, Fault> {
        Ok(OnIntegers {
            plain: parse(op, node, &[0, 3], context)?,
            inputs: [0, 2, 3, 5],
            linear: true,
        })
    }

    /// The shape of the result, from those of the two inputs.
    pub fn shape(&self, shapes: [&[usize]; 2]) -> Result<Vec<usize>, Fault> {
        let facts = shapes.map(|shape| Some(Fact::float(shape.to_vec())));
        shape(self.plain.as_ref(), facts.into())
    }
}

/// The operator `op` of the default domain with the attributes of `node`, on the inputs of `node` that
/// `picks` names.
pub(super) fn parse<B: Backend>(
    op: &str,
    node: &Node,
    picks: &[usize],
    context: &Context,
) -> Parsed<B> {
    let name = |&index: &usize| node.inputs.get(index).cloned().unwrap_or_default();
    let plain = Node {
        op: op.into(),
        domain: String::new(),
        inputs: picks.iter().map(name).collect(),
        ..node.clone()
    };
    let row = row::<B>(op).ok_or_else(|| Fault::Unsupported(format!("{op} of it")))?;
    (row.parse)(&plain, context)
}

/// The shape of the first output on float inputs of these shapes.
pub(super) fn shape<B: Backend>(
    operator: &dyn Operator<B>,
    inputs: Vec<Option<Fact>>,
) -> Result<Vec<usize>, Fault> {
    let outputs = operator.infer(&Facts(inputs))?;
    let shape = outputs.first().map(|fact| fact.shape().to_vec());
    shape.ok_or_else(|| Fault::shape("the operator gives nothing"))
}

/// The first output.
pub(super) fn run<B: Backend>(
    operator: &dyn Operator<B>,
    inputs: Vec<Value<B>>,
    device: &B::Device,
) -> Result<FloatTensor<B>, Fault> {
    let facts = inputs
        .iter()
        .map(|value| Some(value.fact.clone()))
        .collect();
    let outputs = operator.infer(&Facts(facts))?;
    let values = Values {
        inputs: inputs.into_iter().map(Some).collect(),
        device,
        stand_ins: false,
    };
    let tensors = operator.forward(values, &outputs)?;
    let first = tensors.into_iter().next();
    first.ok_or_else(|| Fault::Backend("the operator gave nothing".into()))
}
