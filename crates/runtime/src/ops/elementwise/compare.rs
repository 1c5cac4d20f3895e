//! Equal, Less, LessOrEqual, Greater, GreaterOrEqual: with NumPy broadcasting, to booleans. Text may be
//! compared for equality where it is known. Those of order are steps of the difference, which go as half its softsign does.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mask::{self, as_floats};
use super::softsign::softsign;
use crate::Fault;
use crate::ops::broadcast::{Rule, binary, broadcast, fits_host, stretched};
use crate::ops::samples::Samples;
use crate::ops::stand_in::moving;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Value, Values};

struct Compare<B: Backend> {
    operator: Box<dyn Operator<B>>,
    /// How it goes with the difference: `None` for equality.
    stand_in: Option<Box<dyn Operator<B>>>,
    /// Whether text may be compared.
    text: bool,
}

macro_rules! comparisons {
    ($($name:ident: $symbol:tt, $slope:expr;)*) => {
        $(pub(super) fn $name<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
            let rule = Rule {
                on_tensors: |left, right, _| as_floats::<B>(mask::$name::<B>(left, right)),
                on_ints: |left, right| Some((left $symbol right).into()),
                result: Some(DType::Bool),
            };
            let slope: f32 = $slope;
            let near = Rule {
                on_tensors: |left, right, _| near::<B>(left, right, $slope),
                on_ints: |_, _| None,
                result: Some(DType::F32),
            };
            let stand_in = (slope != 0.0).then(|| binary(node, context, near)).transpose()?;
            let operator = binary(node, context, rule)?;
            Ok(Box::new(Compare { operator, stand_in, text: stringify!($symbol) == "==" }))
        })*
    };
}

comparisons! {
    equal: ==, 0.0;
    less: <, -0.5;
    less_equal: <=, -0.5;
    greater: >, 0.5;
    greater_equal: >=, 0.5;
}

fn near<B: Backend>(left: FloatTensor<B>, right: FloatTensor<B>, slope: f32) -> FloatTensor<B> {
    B::float_mul_scalar(softsign::<B>(B::float_sub(left, right)), slope.into())
}

impl<B: Backend> Operator<B> for Compare<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (left, right) = (inputs.any(0)?, inputs.any(1)?);
        if let (Some(l), Some(r), true) = (left.known_text(), right.known_text(), self.text) {
            let shape = broadcast(left.shape(), right.shape())?;
            if !fits_host(&shape, &[left, right])? {
                return Err(Fault::Unsupported(format!("text of shape {shape:?}")));
            }
            let l = stretched(l, left.shape(), &shape)?;
            let r = stretched(r, right.shape(), &shape)?;
            let same = l.iter().zip(&r).map(|(l, r)| (l == r).into()).collect();
            return Ok(vec![Fact::known(DType::Bool, shape, Elements::Int(same))]);
        }
        self.operator.infer(inputs)
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        for value in inputs.inputs.iter_mut().flatten() {
            if let Some(fact) = within_reach(&value.fact) {
                *value = Value::known(fact);
            }
        }
        let near = match self.stand_in.as_ref().filter(|_| inputs.stand_ins) {
            Some(near) => near.forward(inputs.clone(), outputs)?.pop(),
            None => None,
        };
        let steps = self.operator.forward(inputs, outputs)?;
        let moved = steps.into_iter().map(|y| moving::<B>(y, near.clone()));
        Ok(moved.collect())
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.operator.samples(samples, inputs, outputs)
    }
}

/// Known integers beyond what a run can hold, moved to its edge: they compare with everything that a run
/// computes as before.
fn within_reach(fact: &Fact) -> Option<Fact> {
    let values = fact.known_ints()?;
    let edge = MAX_EXACT + 2;
    if values.iter().all(|value| (-edge..=edge).contains(value)) {
        return None;
    }
    let moved = values.iter().map(|&value| value.clamp(-edge, edge) as f32);
    Some(Fact::known(
        fact.dtype,
        fact.shape().to_vec(),
        Elements::Float(moved.collect()),
    ))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, floats, ints, texts};

    #[test]
    fn values() {
        for (op, y) in [
            ("Equal", [0, 1, 0]),
            ("Less", [1, 0, 0]),
            ("LessOrEqual", [1, 1, 0]),
            ("Greater", [0, 0, 1]),
            ("GreaterOrEqual", [0, 1, 1]),
        ] {
            let case = |left, right| Case::new(op).input(left).input(right);
            let y_floats = y.map(|v| v as f32);
            case(floats(&[3], &[-1.0, 2.0, 3.0]), floats(&[], &[2.0])).gives(&[3], &y_floats);
            case(floats(&[1, 1], &[2.0]), floats(&[3], &[3.0, 2.0, 1.0])).gives(&[1, 3], &y_floats);
            case(ints(&[3], &[-1, 2, 3]), ints(&[1], &[2])).gives(&[3], &y_floats);
            Case::new(op)
                .constant(ints(&[3], &[1 << 40, (1 << 40) + 1, (1 << 40) + 2]))
                .constant(ints(&[], &[(1 << 40) + 1]))
                .gives_ints(&[3], &y);
            case(floats(&[1], &[1.0]), ints(&[1], &[1])).fails("one type is needed");
            case(floats(&[2], &[1.0; 2]), floats(&[3], &[1.0; 3])).fails("do not broadcast");
        }
        Case::new("Equal")
            .input(bools(&[2], &[true, false]))
            .input(bools(&[1], &[true]))
            .gives(&[2], &[1.0, 0.0]);
    }

    #[test]
    fn nan_is_equal_to_nothing() {
        for (op, y) in [("Equal", 0.0), ("Less", 0.0), ("GreaterOrEqual", 0.0)] {
            let nan = || floats(&[1], &[f32::NAN]);
            Case::new(op).input(nan()).input(nan()).gives(&[1], &[y]);
        }
    }

    #[test]
    fn computed_against_what_no_run_reaches() {
        for (op, y) in [("Less", 1.0), ("Equal", 0.0), ("GreaterOrEqual", 0.0)] {
            Case::new(op)
                .input(ints(&[1], &[1 << 24]))
                .constant(ints(&[1], &[i64::MAX]))
                .gives(&[1], &[y]);
        }
    }

    #[test]
    fn text() {
        let case = |op| {
            Case::new(op)
                .constant(texts(&[2, 1], &["a", "b"]))
                .constant(texts(&[2], &["b", "a"]))
        };
        case("Equal").gives_ints(&[2, 2], &[0, 1, 1, 0]);
        case("Less").fails("holds text");
    }
}
