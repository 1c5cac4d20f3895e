//! Tile: repeats the input along each axis.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Tile;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Tile))
}

impl<B: Backend> Operator<B> for Tile {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let repeats = super::fill::sizes(inputs.ints(1)?)?;
        if repeats.len() != data.shape().len() {
            return Err(Fault::shape(format!(
                "repeats {repeats:?} are not one for each of {} axes",
                data.shape().len()
            )));
        }
        let sizes = data.shape().iter().zip(&repeats);
        let shape: Option<Vec<usize>> = sizes.map(|(&size, &n)| size.checked_mul(n)).collect();
        let shape = shape.ok_or_else(|| Fault::shape("an axis overflows"))?;
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let repeats = super::fill::sizes(inputs.ints(1)?)?;
        let axes = repeats.into_iter().enumerate().filter(|&(_, n)| n != 1);
        let x = inputs.tensor(0)?;
        Ok(vec![
            axes.fold(x, |x, (axis, n)| B::float_repeat_dim(x, axis, n)),
        ])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let place = samples.first().copied().flatten()?;
        let size = |fact: &Fact| fact.shape().get(place.axis).copied();
        (size(inputs.get(0)?) == size(outputs.first()?)).then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |repeats: &[i64]| {
            Case::new("Tile")
                .input(floats(&[2, 1], &[1.0, 2.0]))
                .constant(ints(&[repeats.len()], repeats))
        };
        case(&[1, 2]).gives(&[2, 2], &[1.0, 1.0, 2.0, 2.0]);
        case(&[2, 1]).gives(&[4, 1], &[1.0, 2.0, 1.0, 2.0]);
        case(&[1, 1]).gives(&[2, 1], &[1.0, 2.0]);
        case(&[3, 2]).gradient_agrees();
        case(&[3]).fails("not one for each of 2 axes");
        Case::new("Tile")
            .input(floats(&[3], &[0.0; 3]))
            .constant(ints(&[1], &[i64::MAX]))
            .fails("an axis overflows");
        Case::new("Tile")
            .constant(ints(&[1], &[i64::MIN]))
            .constant(ints(&[1], &[2]))
            .gives_ints(&[2], &[i64::MIN, i64::MIN]);
    }
}
