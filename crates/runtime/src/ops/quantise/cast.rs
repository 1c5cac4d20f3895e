//! Cast, CastLike: to another type.
//!
//! - Floats to integers are truncated, by steps that go as the input does; what leaves int32 and a narrower type is undefined, and becomes the
//!   nearest bound of int32 before it wraps, as onnxruntime has it on most machines. NaN becomes 0.
//! - Integers to narrower ones wrap; numbers to booleans are whether they are not 0.
//! - Negative numbers that a run computes are refused as uint32 and uint64: float32 does not hold what
//!   they wrap around to.
//! - float16 and bfloat16 are computed in float32, and rounded when something is cast to them; the gradient
//!   passes as if it were not.
//! - Text is cast where it is known.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::half::rounded;
use super::text;
use crate::Fault;
use crate::ops::broadcast::{unsigned, wrap, wrapped};
use crate::ops::elementwise::mask::{as_floats, is, is_nan};
use crate::ops::samples::Samples;
use crate::ops::stand_in::moving;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values, is_float};

enum Cast {
    To(DType),
    /// To the type of the second input.
    Like,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let code = node
        .attributes
        .int("to")?
        .ok_or_else(|| Fault::shape("attribute to is missing"))?;
    Ok(Box::new(Cast::To(dtype_of(code)?)))
}

pub(super) fn parse_like<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Cast::Like))
}

/// The type that ONNX numbers `code`.
pub(in crate::ops) fn dtype_of(code: i64) -> Result<DType, Fault> {
    let known = i32::try_from(code).map(DType::from_code);
    match known {
        Ok(Ok(dtype)) => Ok(dtype),
        Ok(Err(name)) => Err(Fault::Unsupported(format!("type {name}"))),
        Err(_) => Err(Fault::Unsupported(format!("type {code}"))),
    }
}

impl Cast {
    fn target(&self, inputs: &Facts) -> Result<DType, Fault> {
        match self {
            Cast::To(dtype) => Ok(*dtype),
            Cast::Like => Ok(inputs.any(1)?.dtype),
        }
    }
}

impl<B: Backend> Operator<B> for Cast {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let (to, shape) = (self.target(inputs)?, x.shape().to_vec());
        if let Some(elements) = x.elements().and_then(|elements| known(elements, to)) {
            return Ok(vec![Fact::known(to, shape, elements?)]);
        }
        if to == DType::String || x.dtype == DType::String {
            let what = "numbers that a run computes, cast to text";
            return Err(Fault::Unsupported(what.into()));
        }
        Ok(vec![Fact::new(to, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let from = inputs.fact(0).map_or(DType::F32, |fact| fact.dtype);
        let to = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        let x = inputs.tensor(0)?;
        Ok(vec![match (is_float(from), is_float(to)) {
            _ if from == to => x,
            (_, true) => rounded::<B>(x, to),
            (_, false) if to == DType::Bool => as_floats::<B>(B::bool_not(is::<B>(x, 0.0))),
            (true, false) => {
                let near = inputs.stand_ins.then(|| x.clone());
                moving::<B>(unsigned::<B>(to, truncated::<B>(x, to))?, near)
            }
            (false, false) => unsigned::<B>(to, wrapped::<B>(to, x))?,
        }])
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

/// The known elements cast to `to`; `None` where that is better left to the device.
fn known(elements: &Elements, to: DType) -> Option<Result<Elements, Fault>> {
    let text = |texts: Vec<String>| Some(Ok(Elements::Text(texts)));
    Some(match (elements, to) {
        (Elements::Float(values), DType::String) => {
            return text(values.iter().map(|&v| text::of_float(v)).collect());
        }
        (Elements::Int(values), DType::String) => {
            return text(values.iter().map(i64::to_string).collect());
        }
        (Elements::Text(values), DType::String) => return text(values.clone()),
        (Elements::Float(values), _) if !is_float(to) => ints(values.iter(), |&v| of_float(v, to)),
        (Elements::Int(values), _) if !is_float(to) => ints(values.iter(), |&v| of_int(v, to)),
        (Elements::Text(values), _) if !is_float(to) => {
            ints(values.iter(), |v| of_int(text::to_int(v)?, to))
        }
        (Elements::Float(_), _) => return None,
        // Exact, or rounded once: no integer here is wider than int64, and halves hold less than float32.
        (Elements::Int(values), DType::F32 | DType::F64) => {
            Ok(Elements::Float(values.iter().map(|&v| v as f32).collect()))
        }
        (Elements::Int(_), _) => return None,
        (Elements::Text(values), _) => values
            .iter()
            .map(|v| text::to_float(v).map(|v| v as f32))
            .collect::<Option<_>>()
            .map(Elements::Float)
            .ok_or_else(not_a_number),
    })
}

fn ints<T>(
    values: impl Iterator<Item = T>,
    cast: impl Fn(T) -> Option<i64>,
) -> Result<Elements, Fault> {
    let values: Option<Vec<i64>> = values.map(cast).collect();
    values.map(Elements::Int).ok_or_else(not_a_number)
}

fn not_a_number() -> Fault {
    Fault::shape("an element is no number, or one beyond int64")
}

fn of_float(value: f32, to: DType) -> Option<i64> {
    match to {
        DType::Bool => Some((value != 0.0).into()),
        DType::U64 if value < 0.0 => of_int(value as i64, to),
        _ => Some(wrap(to, value.clamp(lowest(to), highest(to)) as i64)),
    }
}

fn of_int(value: i64, to: DType) -> Option<i64> {
    match to {
        // Its two's complement would lie beyond int64.
        DType::U64 if value < 0 => None,
        _ => Some(wrap(to, value)),
    }
}

/// What a float is cut to before it is truncated; float32 below and above it exactly.
fn lowest(to: DType) -> f32 {
    match to {
        DType::I64 | DType::U64 | DType::U32 => -9_223_372_036_854_775_808.0,
        _ => -2_147_483_648.0,
    }
}

fn highest(to: DType) -> f32 {
    match to {
        DType::I64 | DType::U64 | DType::U32 => 9_223_371_487_098_961_920.0,
        DType::I32 => 2_147_483_520.0,
        _ => 2_147_483_648.0,
    }
}

fn truncated<B: Backend>(x: FloatTensor<B>, to: DType) -> FloatTensor<B> {
    let x = B::float_mask_fill(x.clone(), is_nan::<B>(x), 0.0f32.into());
    let x = B::float_clamp(x, lowest(to).into(), highest(to).into());
    wrapped::<B>(to, B::float_trunc(x))
}

#[cfg(test)]
mod tests {
    use burn_backend::TensorData;
    use burn_flex::{Flex, FlexTensor};
    use scoville_onnx::{DType, Data};

    use super::rounded;
    use crate::ops::testing::{Case, Operand, bools, floats, ints, texts, typed};

    fn cast(x: Operand, to: i64) -> Case {
        Case::new("Cast").int("to", to).input(x)
    }

    fn cast_known(x: Operand, to: i64) -> Case {
        Case::new("Cast").int("to", to).constant(x)
    }

    const FLOAT: i64 = 1;
    const UINT8: i64 = 2;
    const INT8: i64 = 3;
    const UINT16: i64 = 4;
    const INT16: i64 = 5;
    const INT32: i64 = 6;
    const INT64: i64 = 7;
    const STRING: i64 = 8;
    const BOOL: i64 = 9;
    const FLOAT16: i64 = 10;
    const UINT32: i64 = 12;
    const UINT64: i64 = 13;

    #[test]
    fn floats_to_integers() {
        let x = || floats(&[6], &[300.7, -1.5, -300.2, 2.999, 70_000.0, 3e9]);
        for (to, y) in [
            (INT8, [44, -1, -44, 2, 112, 0]),
            (UINT8, [44, 255, 212, 2, 112, 0]),
            (INT16, [300, -1, -300, 2, 4464, 0]),
            (UINT16, [300, 65_535, 65_236, 2, 4464, 0]),
            (INT64, [300, -1, -300, 2, 70_000, 3_000_000_000]),
            (BOOL, [1, 1, 1, 1, 1, 1]),
        ] {
            cast(x(), to).gives(&[6], &y.map(|v| v as f32));
            cast_known(x(), to).gives_ints(&[6], &y);
        }
        let odd = || floats(&[3], &[f32::NAN, f32::INFINITY, -0.0]);
        cast(odd(), INT8).gives(&[3], &[0.0, 0.0, 0.0]);
        cast_known(odd(), INT8).gives_ints(&[3], &[0, 0, 0]);
        cast(odd(), BOOL).gives(&[3], &[1.0, 1.0, 0.0]);
        cast_known(odd(), INT32).gives_ints(&[3], &[0, 2_147_483_520, 0]);
    }

    #[test]
    fn integers() {
        let x = || ints(&[3], &[300, -1, 0]);
        cast(x(), UINT8).gives(&[3], &[44.0, 255.0, 0.0]);
        cast_known(x(), UINT8).gives_ints(&[3], &[44, 255, 0]);
        cast_known(ints(&[1], &[1 << 40]), INT32).gives_ints(&[1], &[0]);
        cast_known(ints(&[1], &[1 << 40]), INT64).gives_ints(&[1], &[1 << 40]);
        cast_known(x(), UINT64).fails("beyond int64");
        cast(x(), BOOL).gives(&[3], &[1.0, 1.0, 0.0]);
        cast(x(), FLOAT).gives(&[3], &[300.0, -1.0, 0.0]);
        cast_known(ints(&[1], &[(1 << 24) + 1]), FLOAT).gives(&[1], &[16_777_216.0]);
        for to in [UINT32, UINT64] {
            cast(x(), to).fails_in_a_run("-1, which a run computes, as uint");
            cast(floats(&[3], &[-0.9, f32::NAN, -0.0]), to).gives(&[3], &[0.0; 3]);
            cast(ints(&[2], &[300, 0]), to).gives(&[2], &[300.0, 0.0]);
            cast(floats(&[2], &[2.0, -1.5]), to).fails_in_a_run("-1, which");
        }
        cast_known(x(), UINT32).gives_ints(&[3], &[300, 4_294_967_295, 0]);
        cast(bools(&[2], &[true, false]), FLOAT).gives(&[2], &[1.0, 0.0]);
        cast_known(bools(&[2], &[true, false]), INT32).gives_ints(&[2], &[1, 0]);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        for (x, y) in [
            (65_519.0, 65_504.0),
            (65_520.0, f32::INFINITY),
            (-1e30, f32::NEG_INFINITY),
            (1e-8, 0.0),
            (5.97e-8, 5.960_464_5e-8),
            (3e-8, 5.960_464_5e-8),
            (2.98e-8, 0.0),
            (2049.0, 2048.0),
            (2051.0, 2052.0),
            (-2049.0, -2048.0),
            (0.1, 0.099_975_586),
            (0.0, 0.0),
            (f32::NAN, f32::NAN),
            (f32::INFINITY, f32::INFINITY),
        ] {
            halves(&[x], DType::F16, &[y]);
        }
        for (x, y) in [
            (1.0, 1.0),
            (0.478_925_47, 0.478_515_62),
            (257.0, 256.0),
            (259.0, 260.0),
            (3.3e38, 3.296_485_4e38),
            (3.4e38, f32::INFINITY),
            (-7.3e-20, -7.284_483_3e-20),
        ] {
            halves(&[x], DType::BF16, &[y]);
        }
        cast(floats(&[2], &[0.1, -2049.0]), FLOAT16).gives(&[2], &[0.099_975_586, -2048.0]);
    }

    /// To the bit.
    fn halves(x: &[f32], dtype: DType, y: &[f32]) {
        let tensor = FlexTensor::from_data(TensorData::new(x.to_vec(), [x.len()]));
        let out = rounded::<Flex>(tensor, dtype);
        let out = out.into_data().try_into_vec::<f32>().expect("floats");
        let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        assert!(
            out.iter().zip(y).all(same),
            "{x:?}: {out:?} instead of {y:?}"
        );
    }

    #[test]
    fn halves_pass_the_gradient() {
        use burn_backend::AutodiffBackend;
        use burn_backend::ops::FloatTensorOps;
        type Tape = burn_autodiff::Autodiff<Flex>;
        let x = TensorData::new(vec![0.1f32, 1e6, -3.3], [3]);
        let x = Tape::float_from_data(x, &burn_flex::FlexDevice);
        let x = Tape::float_set_require_grad(x, true);
        let y = rounded::<Tape>(x.clone(), DType::F16);
        let mut gradients = Tape::backward(y);
        let gradient = Tape::grad_remove(&x, &mut gradients).expect("a gradient");
        let gradient = gradient.into_data().try_into_vec::<f32>().expect("floats");
        assert_eq!(gradient, [1.0, 0.0, 1.0]);
    }

    #[test]
    fn text() {
        cast_known(floats(&[2], &[0.1, -2.0]), STRING).gives_texts(&[2], &["0.1", "-2"]);
        cast_known(ints(&[1], &[-7]), STRING).gives_texts(&[1], &["-7"]);
        cast_known(texts(&[2], &["1.5", "-inf"]), FLOAT).gives(&[2], &[1.5, f32::NEG_INFINITY]);
        cast_known(texts(&[2], &["300", "1.5"]), UINT8).gives_ints(&[2], &[44, 1]);
        cast_known(texts(&[1], &["one"]), INT64).fails("no number");
        cast(floats(&[1], &[1.0]), STRING).fails("cast to text");
    }

    #[test]
    fn like_another() {
        Case::new("CastLike")
            .opset(15)
            .input(floats(&[2], &[300.7, -1.5]))
            .input(typed(&[1], Data::U8(vec![0])))
            .gives(&[2], &[44.0, 255.0]);
    }

    #[test]
    fn faults() {
        cast(floats(&[1], &[1.0]), 17).fails("float8e4m3fn");
        cast(floats(&[1], &[1.0]), -1).fails("unknown code -1");
        cast(floats(&[1], &[1.0]), 1 << 40).fails("type 1099511627776");
        Case::new("Cast")
            .input(floats(&[1], &[1.0]))
            .fails("to is missing");
    }
}
