//! The operators: one file each, one row each in `registry`.
//!
//! An operator is parsed once from its node, infers the shapes of its outputs for every batch size
//! before anything runs (so that burn never sees shapes that do not fit), and then runs on a
//! backend.

mod add;
mod average_pool;
pub(crate) mod batch_normalization;
mod broadcast;
mod clip;
mod concat;
mod conv;
mod div;
mod flatten;
mod gather;
mod gemm;
mod global_average_pool;
mod identity;
mod leaky_relu;
mod log_softmax;
mod matmul;
mod max_pool;
mod mul;
mod reduce_mean;
mod relu;
pub(crate) mod reshape;
mod shape;
mod sigmoid;
pub(crate) mod softmax;
mod squeeze;
mod sub;
mod tanh;
#[cfg(test)]
mod testing;
mod transpose;
mod unsqueeze;
mod window;

use std::collections::BTreeMap;

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::{Node, Tensor};

use crate::Fault;
use crate::value::{Fact, Facts, Values};

/// One operator with its attributes, ready to run on backend `B`.
pub(crate) trait Operator<B: Backend>: Send + Sync {
    /// What the outputs are for inputs of these facts. Integers are computed here and never run.
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault>;

    /// Runs on inputs that [`infer`](Self::infer) accepted; `outputs` is what it said.
    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault>;
}

/// What an operator may look at beside its node while it is parsed.
pub(crate) struct Context<'a> {
    /// Version of the default domain.
    pub opset: i64,
    /// The graph's constants, for inputs that must be known at load.
    pub constants: &'a BTreeMap<String, Tensor>,
}

type Parsed<B> = Result<Box<dyn Operator<B>>, Fault>;
type Parse<B> = fn(&Node, &Context) -> Parsed<B>;

/// The registry: one row an operator of the default domain.
fn registry<B: Backend>() -> Vec<(&'static str, Parse<B>)> {
    vec![
        ("Add", add::parse),
        ("AveragePool", average_pool::parse),
        ("BatchNormalization", batch_normalization::parse),
        ("Clip", clip::parse),
        ("Concat", concat::parse),
        ("Conv", conv::parse),
        ("Div", div::parse),
        ("Dropout", identity::parse_dropout),
        ("Flatten", flatten::parse),
        ("Gather", gather::parse),
        ("Gemm", gemm::parse),
        ("GlobalAveragePool", global_average_pool::parse),
        ("Identity", identity::parse),
        ("LeakyRelu", leaky_relu::parse),
        ("LogSoftmax", log_softmax::parse),
        ("MatMul", matmul::parse),
        ("MaxPool", max_pool::parse),
        ("Mul", mul::parse),
        ("ReduceMean", reduce_mean::parse),
        ("Relu", relu::parse),
        ("Reshape", reshape::parse),
        ("Shape", shape::parse),
        ("Sigmoid", sigmoid::parse),
        ("Softmax", softmax::parse),
        ("Squeeze", squeeze::parse),
        ("Sub", sub::parse),
        ("Tanh", tanh::parse),
        ("Transpose", transpose::parse),
        ("Unsqueeze", unsqueeze::parse),
    ]
}

/// The names of the operators that can run, in order.
pub fn operators() -> Vec<&'static str> {
    let mut names: Vec<_> = registry::<burn_flex::Flex>()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names
}

/// How to parse `node`, if its operator is implemented.
pub(crate) fn find<B: Backend>(node: &Node) -> Option<Parse<B>> {
    let default_domain = node.domain.is_empty() || node.domain == "ai.onnx";
    registry::<B>()
        .into_iter()
        .find(|(name, _)| default_domain && *name == node.op)
        .map(|(_, parse)| parse)
}

/// Whether `node` can run.
pub(crate) fn is_supported(node: &Node) -> bool {
    find::<burn_flex::Flex>(node).is_some()
}

/// An axis counted from either end, as an index.
fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let index = if axis < 0 {
        axis.checked_add_unsigned(rank as u64)
    } else {
        Some(axis)
    };
    match index.and_then(|i| usize::try_from(i).ok()) {
        Some(index) if index < rank => Ok(index),
        _ => Err(Fault::shape(format!(
            "axis {axis} lies outside the {rank} axes"
        ))),
    }
}

/// Axes counted from either end, as sorted indices; each may be named once.
fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
    let mut indices = axes
        .iter()
        .map(|&a| axis(a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    indices.sort_unstable();
    if indices.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Fault::shape(format!("axes {axes:?} name one axis twice")));
    }
    Ok(indices)
}

/// The axes of Squeeze, Unsqueeze and ReduceMean: an attribute once, a constant input later.
enum Axes {
    Attribute(Option<Vec<i64>>),
    Input,
}

impl Axes {
    /// They are an input from opset `since` on.
    fn parse(node: &Node, context: &Context, since: i64) -> Result<Axes, Fault> {
        if context.opset >= since {
            return Ok(Axes::Input);
        }
        Ok(Axes::Attribute(
            node.attributes.ints("axes")?.map(|axes| axes.to_vec()),
        ))
    }

    fn get(&self, inputs: &Facts) -> Result<Option<Vec<i64>>, Fault> {
        match self {
            Axes::Attribute(axes) => Ok(axes.clone()),
            Axes::Input => Ok(inputs.optional_ints(1)?.map(|ints| ints.values.clone())),
        }
    }
}

/// Elements of a tensor of this shape; an error where they overflow.
pub(crate) fn count(shape: &[usize]) -> Result<usize, Fault> {
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| Fault::shape(format!("the size of {shape:?} overflows")))
}

/// Reshapes the only float input to what was inferred: all that Reshape, Flatten and the like do.
fn reshape_to<B: Backend>(
    mut inputs: Values<B>,
    outputs: &[Fact],
) -> Result<Vec<FloatTensor<B>>, Fault> {
    let x = inputs.float(0)?;
    outputs
        .iter()
        .map(|fact| {
            Ok(B::float_reshape(
                x.clone(),
                Shape::from(fact.shape().to_vec()),
            ))
        })
        .collect()
}
