//! HannWindow, HammingWindow and BlackmanWindow: `a - b cos t + c cos 2t` over one turn of `size`
//! points, or of one point less where the window is not periodic.

use std::f64::consts::TAU;

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::movement::fill::{dtype, one, sizes};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, is_float};

struct Window {
    coefficients: [f64; 3],
    periodic: bool,
    dtype: DType,
}

pub(super) fn parse_hann<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, [0.5, 0.5, 0.0])
}

pub(super) fn parse_hamming<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, [25.0 / 46.0, 21.0 / 46.0, 0.0])
}

pub(super) fn parse_blackman<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, [0.42, 0.5, 0.08])
}

fn parse<B: Backend>(node: &Node, coefficients: [f64; 3]) -> Parsed<B> {
    Ok(Box::new(Window {
        coefficients,
        periodic: node.attributes.int_or("periodic", 1)? != 0,
        dtype: floats(node)?,
    }))
}

/// The float type that attribute `output_datatype` names.
pub(super) fn floats(node: &Node) -> Result<DType, Fault> {
    let dtype = dtype(node.attributes.int_or("output_datatype", 1)?)?;
    match is_float(dtype) {
        true => Ok(dtype),
        false => Err(Fault::Unsupported(format!("output type {dtype}"))),
    }
}

impl<B: Backend> Operator<B> for Window {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let size = one(&sizes(inputs.ints(0)?)?)?;
        Ok(vec![Fact::new(self.dtype, vec![size])])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let size = count(shape)?;
        let turn = if self.periodic {
            size
        } else {
            size.saturating_sub(1)
        };
        let [a, b, c] = self.coefficients;
        let weight = |i: usize| {
            let t = TAU * i as f64 / turn.max(1) as f64;
            (a - b * t.cos() + c * (2.0 * t).cos()) as f32
        };
        Ok(vec![inputs.upload(shape, (0..size).map(weight).collect())])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints};

    #[test]
    fn values() {
        let case = |op| Case::new(op).opset(17).constant(ints(&[], &[4]));
        case("HannWindow").gives(&[4], &[0.0, 0.5, 1.0, 0.5]);
        case("HannWindow")
            .int("periodic", 0)
            .gives(&[4], &[0.0, 0.75, 0.75, 0.0]);
        let (low, middle) = (4.0 / 46.0, 25.0 / 46.0);
        case("HammingWindow").gives(&[4], &[low, middle, 1.0, middle]);
        case("BlackmanWindow").gives(&[4], &[0.0, 0.34, 1.0, 0.34]);
        case("HannWindow")
            .int("output_datatype", 7)
            .fails("output type int64");
        Case::new("HannWindow")
            .constant(ints(&[], &[-1]))
            .fails("size -1 is no size");
        Case::new("HannWindow")
            .constant(ints(&[], &[1]))
            .int("periodic", 0)
            .gives(&[1], &[0.0]);
    }
}
