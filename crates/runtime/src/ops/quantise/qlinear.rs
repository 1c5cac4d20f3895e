//! The quantised operators of onnxruntime (domain com.microsoft) that its static quantisation writes: a
//! plain operator on dequantised inputs, whose result is quantised again. They go as the plain operator does.
//!
//! QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax, QLinearAveragePool,
//! QLinearGlobalAveragePool, QLinearConcat, QLinearWhere. Scales and zero points are one for a tensor.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::inner;
use super::scale::{one_element, quantised, result_type, saturated, shaped, shifted};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Value, Values};

/// An input of the plain operator.
enum Operand {
    /// Input `at`, then its scale and its zero point.
    Quantised { at: usize },
    /// Passed on as it is.
    Plain { at: usize },
}

impl Operand {
    fn at(&self) -> usize {
        match *self {
            Operand::Quantised { at } | Operand::Plain { at } => at,
        }
    }
}

struct QLinear<B: Backend> {
    operator: Box<dyn Operator<B>>,
    operands: Vec<Operand>,
    /// The scale of the result; its zero point follows.
    result: usize,
}

fn build<B: Backend>(
    op: &str,
    node: &Node,
    operands: Vec<Operand>,
    result: usize,
    context: &Context,
) -> Parsed<B> {
    if node.attributes.int_or("channels_last", 0)? != 0 {
        return Err(Fault::Unsupported("channels_last".into()));
    }
    let picks: Vec<usize> = operands.iter().map(Operand::at).collect();
    Ok(Box::new(QLinear {
        operator: inner::parse(op, node, &picks, context)?,
        operands,
        result,
    }))
}

fn one<B: Backend>(op: &str, node: &Node, context: &Context) -> Parsed<B> {
    build(op, node, vec![Operand::Quantised { at: 0 }], 3, context)
}

fn two<B: Backend>(op: &str, node: &Node, context: &Context) -> Parsed<B> {
    let operands = [0, 3].map(|at| Operand::Quantised { at });
    build(op, node, operands.into(), 6, context)
}

pub(super) fn add<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    two("Add", node, context)
}

pub(super) fn mul<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    two("Mul", node, context)
}

pub(super) fn sigmoid<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    one("Sigmoid", node, context)
}

pub(super) fn leaky_relu<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    one("LeakyRelu", node, context)
}

pub(super) fn average_pool<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    one("AveragePool", node, context)
}

pub(super) fn global_average_pool<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    one("GlobalAveragePool", node, context)
}

/// Its attribute `opset` says whose Softmax it is.
pub(super) fn softmax<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let opset = node.attributes.int_or("opset", context.opset)?;
    let context = Context {
        opset,
        constants: context.constants,
    };
    one("Softmax", node, &context)
}

/// The scale and the zero point of the result come first.
pub(super) fn concat<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let operands = (2..node.inputs.len()).step_by(3);
    let operands = operands.map(|at| Operand::Quantised { at }).collect();
    build("Concat", node, operands, 0, context)
}

pub(super) fn choose<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let operands = vec![
        Operand::Plain { at: 0 },
        Operand::Quantised { at: 1 },
        Operand::Quantised { at: 4 },
    ];
    build("Where", node, operands, 7, context)
}

/// A scale, and a zero point of one element where there is one.
fn check_scale(inputs: &Facts, scale: usize) -> Result<(), Fault> {
    inputs.float(scale)?;
    for index in [scale, scale + 1] {
        one_element(inputs, index)?;
    }
    Ok(())
}

impl<B: Backend> Operator<B> for QLinear<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let mut facts = Vec::with_capacity(self.operands.len());
        let mut dtype = DType::U8;
        for operand in &self.operands {
            facts.push(Some(match *operand {
                Operand::Plain { at } => {
                    let fact = inputs.any(at)?;
                    fact.with_shape(fact.shape().to_vec())
                }
                Operand::Quantised { at } => {
                    check_scale(inputs, at + 1)?;
                    dtype = inputs.any(at)?.dtype;
                    Fact::float(quantised(inputs, at)?.to_vec())
                }
            }));
        }
        check_scale(inputs, self.result)?;
        let shape = inner::shape(self.operator.as_ref(), facts)?;
        let dtype = result_type(inputs, self.result + 1, dtype)?;
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let mut operands = Vec::with_capacity(self.operands.len());
        for operand in &self.operands {
            let at = operand.at();
            let shape = inputs.shape(at)?;
            let x = inputs.tensor(at)?;
            operands.push(match operand {
                Operand::Plain { .. } => {
                    let dtype = inputs.fact(at).map_or(DType::Bool, |fact| fact.dtype);
                    Value::new(Fact::new(dtype, shape), x)
                }
                Operand::Quantised { .. } => {
                    let one = vec![1; shape.len()];
                    let scale = shaped::<B>(inputs.tensor(at + 1)?, &one);
                    let zero = inputs.optional_tensor(at + 2)?;
                    let moved = shifted::<B>(x, zero.map(|zero| shaped::<B>(zero, &one)));
                    Value::new(Fact::float(shape), B::float_mul(moved, scale))
                }
            });
        }
        let y = inner::run(self.operator.as_ref(), operands, inputs.device)?;
        let fact = outputs.first();
        let one = vec![1; fact.map_or(0, |fact| fact.shape().len())];
        let scale = shaped::<B>(inputs.tensor(self.result)?, &one);
        let zero = inputs.optional_tensor(self.result + 1)?;
        let zero = zero.map(|zero| shaped::<B>(zero, &one));
        let dtype = fact.map_or(DType::U8, |fact| fact.dtype);
        let steps = B::float_div(y, scale);
        Ok(vec![saturated::<B>(steps, zero, dtype, inputs.stand_ins)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let picks = || self.operands.iter().map(Operand::at);
        let (mut held, mut facts) = (Vec::new(), Vec::new());
        for at in picks() {
            held.push(*samples.get(at)?);
            facts.push(Some(inputs.get(at)?.clone()));
        }
        let others = samples.iter().enumerate();
        let mut others = others.filter(|(i, _)| picks().all(|at| at != *i));
        let shared = others.all(|(_, samples)| samples.is_none());
        let found = self.operator.samples(&held, &Facts(facts), outputs);
        found.filter(|_| shared)
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, Operand, bools, floats, typed};

    fn bytes(shape: &[usize], values: &[u8]) -> Operand {
        typed(shape, Data::U8(values.to_vec()))
    }

    fn case(op: &'static str) -> Case {
        Case::new(op).domain("com.microsoft")
    }

    /// A scale and a zero point.
    fn by(case: Case, scale: f32, zero: u8) -> Case {
        case.constant(floats(&[], &[scale]))
            .constant(bytes(&[], &[zero]))
    }

    fn by_signed(case: Case, scale: f32, zero: i8) -> Case {
        case.constant(floats(&[], &[scale]))
            .constant(typed(&[], Data::I8(vec![zero])))
    }

    #[test]
    fn arithmetic() {
        for (op, y) in [
            ("QLinearAdd", [51.0, 176.0, 255.0, 255.0, 92.0, 138.0]),
            ("QLinearMul", [119.0, 103.0, 255.0, 0.0, 100.0, 94.0]),
        ] {
            let a = by(
                case(op).input(bytes(&[2, 3], &[1, 100, 200, 255, 0, 7])),
                0.05,
                10,
            );
            let b = by(a.constant(bytes(&[3], &[3, 130, 250])), 0.02, 128);
            by(b, 0.06, 100).gives(&[2, 3], &y);
        }
        case("QLinearAdd")
            .input(bytes(&[1], &[1]))
            .constant(floats(&[2], &[1.0, 1.0]))
            .fails("input 1 must be one number");
        case("QLinearAdd")
            .input(floats(&[1], &[1.0]))
            .constant(floats(&[], &[1.0]))
            .fails("input 0 does not hold integers");
    }

    #[test]
    fn activations() {
        let x = || typed(&[6], Data::I8(vec![-128, -7, 0, 5, 60, 127]));
        let one = |op| by_signed(case(op).input(x()), 0.05, 3);
        by_signed(one("QLinearSigmoid"), 1.0 / 256.0, -128)
            .gives(&[6], &[-128.0, -31.0, -10.0, 6.0, 114.0, 127.0]);
        by_signed(one("QLinearLeakyRelu").float("alpha", 0.1), 0.04, -10)
            .gives(&[6], &[-26.0, -11.0, -10.0, -8.0, 61.0, 127.0]);
        let x = bytes(&[2, 3], &[1, 100, 120, 255, 0, 7]);
        let softmax = case("QLinearSoftmax").int("axis", -1).int("opset", 13);
        by(by(softmax.input(x), 0.05, 10), 1.0 / 256.0, 0)
            .gives(&[2, 3], &[0.0, 69.0, 187.0, 255.0, 0.0, 0.0]);
    }

    #[test]
    fn pools() {
        let x = bytes(&[1, 2, 2, 2], &[1, 2, 3, 200, 9, 9, 9, 8]);
        let global = by(case("QLinearGlobalAveragePool").input(x), 0.05, 3);
        by(global, 0.031, 7).gives(&[1, 2, 1, 1], &[85.0, 16.0]);
        let x = || bytes(&[1, 1, 2, 3], &[1, 2, 7, 3, 200, 9]);
        let pool = || by(case("QLinearAveragePool").input(x()), 0.05, 3);
        let pool = || by(pool().ints("kernel_shape", &[2, 2]), 0.031, 7);
        pool().gives(&[1, 1, 1, 2], &[85.0, 90.0]);
        pool().int("channels_last", 1).fails("channels_last");
    }

    #[test]
    fn movement() {
        let concat = by(case("QLinearConcat").int("axis", 0), 0.04, 3);
        let first = by(concat.input(bytes(&[3], &[1, 100, 255])), 0.05, 10);
        by(first.input(bytes(&[2], &[7, 80])), 0.03, 0)
            .gives(&[5], &[0.0, 115.0, 255.0, 8.0, 63.0]);
        let choice = case("QLinearWhere").input(bools(&[3], &[true, false, true]));
        let yes = by(choice.input(bytes(&[3], &[1, 100, 255])), 0.05, 10);
        let no = by(yes.constant(bytes(&[1], &[7])), 0.03, 0);
        by(no, 0.04, 3).gives(&[3], &[0.0, 8.0, 255.0]);
    }
}
