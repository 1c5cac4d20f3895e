//! NonZero: the coordinates of the elements that are not zero, an axis a row. How many there are
//! makes the shape, so the input must be known.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::rows::coordinates;
use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct NonZero;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(NonZero))
}

impl<B: Backend> Operator<B> for NonZero {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let flags: Vec<bool> = match x.elements() {
            Some(Elements::Float(values)) => values.iter().map(|&v| v != 0.0).collect(),
            Some(Elements::Int(values)) => values.iter().map(|&v| v != 0).collect(),
            Some(Elements::Text(values)) => values.iter().map(|v| !v.is_empty()).collect(),
            None => {
                let what = "depends on the model's input, so the output has no fixed shape";
                return Err(Fault::Input { index: 0, what });
            }
        };
        let places = flags.iter().enumerate().filter(|(_, flag)| **flag);
        let places: Vec<Vec<usize>> = places.map(|(i, _)| coordinates(i, x.shape())).collect();
        let rank = x.shape().len();
        let row = |axis| {
            let places = places.iter();
            places.filter_map(move |place| place.get(axis).map(|&at| at as i64))
        };
        let rows = (0..rank).flat_map(row).collect();
        Ok(vec![Fact::ints(vec![rank, places.len()], rows)])
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Unsupported(
            "running what is known at inference".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, floats};

    #[test]
    fn values() {
        Case::new("NonZero")
            .constant(bools(&[2, 2], &[true, false, true, true]))
            .gives_ints(&[2, 3], &[0, 1, 1, 0, 0, 1]);
        Case::new("NonZero")
            .constant(floats(&[3], &[0.0, -0.5, 0.0]))
            .gives_ints(&[1, 1], &[1]);
        Case::new("NonZero")
            .constant(floats(&[1], &[0.0]))
            .gives_ints(&[1, 0], &[]);
        Case::new("NonZero")
            .input(floats(&[1], &[1.0]))
            .fails("no fixed shape");
    }
}
