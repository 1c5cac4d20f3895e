//! BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot, BitShift: of integers, with NumPy broadcasting. Exact
//! where they are known; integers that a run computes are whole numbers up to 2^24, and what could leave
//! that range is refused.

use burn_backend::tensor::{FloatTensor, IntTensor};
use burn_backend::{Backend, FloatDType, IntDType};
use scoville_onnx::{DType, Node};

use super::typed::typed;
use crate::Fault;
use crate::ops::broadcast::{Rule, binary, wrap, wrapped};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values, is_float};

const INTS_NEEDED: &str = "does not hold integers, which are needed";

fn is_int(dtype: DType) -> bool {
    !is_float(dtype) && dtype != DType::Bool && dtype != DType::String
}

fn pair<B: Backend>(
    node: &Node,
    context: &Context,
    on_tensors: fn(FloatTensor<B>, FloatTensor<B>, DType) -> FloatTensor<B>,
    on_ints: fn(i64, i64) -> Option<i64>,
) -> Parsed<B> {
    let rule = Rule {
        on_tensors,
        on_ints,
        result: None,
    };
    typed(binary(node, context, rule), is_int, INTS_NEEDED)
}

fn ints<B: Backend>(x: FloatTensor<B>) -> IntTensor<B> {
    B::float_into_int(x, IntDType::I32)
}

fn floats<B: Backend>(x: IntTensor<B>) -> FloatTensor<B> {
    B::int_into_float(x, FloatDType::F32)
}

pub(super) fn and<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors =
        |left, right, _| floats::<B>(B::bitwise_and(ints::<B>(left), ints::<B>(right)));
    pair(node, context, on_tensors, |left, right| Some(left & right))
}

pub(super) fn or<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors = |left, right, _| floats::<B>(B::bitwise_or(ints::<B>(left), ints::<B>(right)));
    pair(node, context, on_tensors, |left, right| Some(left | right))
}

pub(super) fn xor<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors =
        |left, right, _| floats::<B>(B::bitwise_xor(ints::<B>(left), ints::<B>(right)));
    pair(node, context, on_tensors, |left, right| Some(left ^ right))
}

struct Not;

pub(super) fn not<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    typed(Ok(Box::new(Not)), is_int, INTS_NEEDED)
}

impl<B: Backend> Operator<B> for Not {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let (shape, wide) = (
            x.shape().to_vec(),
            matches!(x.dtype, DType::U32 | DType::U64),
        );
        match x.known_ints() {
            Some(_) if x.dtype == DType::U64 => {
                Err(Fault::Unsupported("a complement beyond int64".into()))
            }
            Some(values) => {
                let values = values.iter().map(|&v| wrap(x.dtype, !v)).collect();
                Ok(vec![Fact::known(x.dtype, shape, Elements::Int(values))])
            }
            None if wide => Err(Fault::Unsupported(format!(
                "the complement of {} that a run computes",
                x.dtype
            ))),
            None => Ok(vec![x.with_shape(shape)]),
        }
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let dtype = outputs.first().map_or(DType::I32, |fact| fact.dtype);
        let x = B::float_add_scalar(B::float_neg(inputs.tensor(0)?), (-1.0f32).into());
        Ok(vec![wrapped::<B>(dtype, x)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

/// Shifts of unsigned integers. On a run's integers the amounts must be known: their powers of two are
/// factors.
struct Shift<B: Backend> {
    /// Shifts what is known, or multiplies what is not.
    operator: Box<dyn Operator<B>>,
    left: bool,
}

pub(super) fn shift<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let left = match node.attributes.string("direction")? {
        Some("LEFT") => true,
        Some("RIGHT") => false,
        other => return Err(Fault::Unsupported(format!("direction {other:?}"))),
    };
    let rule = Rule {
        on_tensors: |x, factor, _| B::float_floor(B::float_mul(x, factor)),
        on_ints: if left { shift_left } else { shift_right },
        result: None,
    };
    let operator = binary(node, context, rule)?;
    let unsigned = |dtype| matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
    typed(
        Ok(Box::new(Shift { operator, left })),
        unsigned,
        "does not hold unsigned integers, which are needed",
    )
}

fn shift_left(value: i64, amount: i64) -> Option<i64> {
    let amount = u32::try_from(amount).ok().filter(|&amount| amount < 64);
    let wide = u128::try_from(value).ok()? << amount?;
    // What is lost beyond 64 bits is lost in uint64 too; narrower types wrap further.
    i64::try_from(wide as u64).ok()
}

fn shift_right(value: i64, amount: i64) -> Option<i64> {
    match u32::try_from(amount) {
        Ok(amount) => Some(value.checked_shr(amount).unwrap_or(0)),
        Err(_) => None,
    }
}

impl<B: Backend> Operator<B> for Shift<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let dtype = inputs.any(0)?.dtype;
        if inputs.any(0)?.known_ints().is_none() {
            inputs.ints(1)?;
            if self.left && matches!(dtype, DType::U32 | DType::U64) {
                let what = format!("a left shift of {dtype} that a run computes");
                return Err(Fault::Unsupported(what));
            }
        }
        self.operator.infer(inputs)
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let factors = inputs.ints(1)?.iter().map(|&amount| {
            let exponent = amount.clamp(0, 64) as i32;
            2f32.powi(if self.left { exponent } else { -exponent })
        });
        let shape = inputs.shape(1)?;
        let factors = Fact::known(
            inputs.fact(0).map_or(DType::U8, |fact| fact.dtype),
            shape,
            Elements::Float(factors.collect()),
        );
        if let Some(value) = inputs.inputs.get_mut(1) {
            *value = Some(crate::value::Value::known(factors));
        }
        self.operator.forward(inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, typed};
    use scoville_onnx::Data;

    #[test]
    fn values() {
        for (op, y) in [
            ("BitwiseAnd", [8, 4]),
            ("BitwiseOr", [14, -1]),
            ("BitwiseXor", [6, -5]),
        ] {
            let left = || ints(&[2], &[12, -1]);
            let right = || ints(&[2], &[10, 4]);
            Case::new(op)
                .input(left())
                .input(right())
                .gives(&[2], &y.map(|v| v as f32));
            Case::new(op)
                .constant(left())
                .constant(right())
                .gives_ints(&[2], &y);
            Case::new(op)
                .input(left())
                .input(floats(&[1], &[1.0]))
                .fails("does not hold integers");
        }
        let not = || Case::new("BitwiseNot");
        not().input(ints(&[2], &[5, -1])).gives(&[2], &[-6.0, 0.0]);
        not()
            .constant(ints(&[2], &[5, 1 << 40]))
            .gives_ints(&[2], &[-6, -(1 << 40) - 1]);
        let bytes = || typed(&[2], Data::U8(vec![5, 255]));
        not().input(bytes()).gives(&[2], &[250.0, 0.0]);
        not().constant(bytes()).gives_ints(&[2], &[250, 0]);
        not()
            .input(typed(&[1], Data::U32(vec![5])))
            .fails("complement of uint32");
        not()
            .constant(typed(&[1], Data::U64(vec![5])))
            .fails("beyond int64");
    }

    #[test]
    fn shifts() {
        let case = |direction| Case::new("BitShift").string("direction", direction);
        let bytes = || typed(&[3], Data::U8(vec![16, 4, 255]));
        let amounts = || typed(&[3], Data::U8(vec![4, 2, 1]));
        case("LEFT")
            .constant(bytes())
            .constant(amounts())
            .gives_ints(&[3], &[0, 16, 254]);
        case("RIGHT")
            .constant(bytes())
            .constant(amounts())
            .gives_ints(&[3], &[1, 1, 127]);
        case("LEFT")
            .input(bytes())
            .constant(amounts())
            .gives(&[3], &[0.0, 16.0, 254.0]);
        case("RIGHT")
            .input(bytes())
            .constant(amounts())
            .gives(&[3], &[1.0, 1.0, 127.0]);
        case("RIGHT")
            .input(bytes())
            .input(amounts())
            .fails("input 1 must be integers");
        case("UP").fails("direction");
        let wide = || typed(&[1], Data::U64(vec![1 << 40]));
        case("LEFT")
            .constant(wide())
            .constant(typed(&[1], Data::U64(vec![3])))
            .gives_ints(&[1], &[1 << 43]);
        case("LEFT")
            .input(wide())
            .constant(typed(&[1], Data::U64(vec![3])))
            .fails("left shift of uint64");
        case("LEFT")
            .constant(ints(&[1], &[1]))
            .constant(ints(&[1], &[1]))
            .fails("unsigned");
    }
}
