//! CenterCropPad: the middle of longer axes, zeros around shorter ones; of odd differences, the
//! larger half lies at the end.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, Slice, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, alone};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(CenterCropPad {
        axes: node.attributes.ints("axes")?.map(<[i64]>::to_vec),
    }))
}

impl CenterCropPad {
    fn shape(&self, x: &[usize], sizes: &[i64]) -> Result<Vec<usize>, Fault> {
        let every: Vec<i64> = (0..x.len() as i64).collect();
        let axes = self.axes.as_deref().unwrap_or(&every);
        crate::ops::axes(axes, x.len())?;
        if axes.len() != sizes.len() {
            return Err(Fault::shape(format!(
                "sizes {sizes:?} do not fit {} axes",
                axes.len()
            )));
        }
        let mut shape = x.to_vec();
        for (&axis, &size) in axes.iter().zip(sizes) {
            let axis = crate::ops::axis(axis, x.len())?;
            let size = usize::try_from(size)
                .map_err(|_| Fault::shape(format!("size {size} is negative")))?;
            if let Some(slot) = shape.get_mut(axis) {
                *slot = size;
            }
        }
        Ok(shape)
    }
}

impl<B: Backend> Operator<B> for CenterCropPad {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        if x.shape().contains(&0) {
            return Err(Fault::shape(format!("{:?} has an empty axis", x.shape())));
        }
        let shape = self.shape(x.shape(), inputs.ints(1)?)?;
        Ok(vec![x.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let from = inputs.shape(0)?;
        let to = self.shape(&from, inputs.ints(1)?)?;
        let mut x = inputs.tensor(0)?;
        let sizes = || from.iter().zip(&to);
        if sizes().any(|(from, to)| to < from) {
            let kept = sizes().map(|(&from, &to)| {
                let begin = from.saturating_sub(to) / 2;
                Slice::from(begin..begin + from.min(to))
            });
            x = B::float_slice(x, &kept.collect::<Vec<_>>());
        }
        if sizes().any(|(from, to)| to > from) {
            let around = sizes().map(|(&from, &to)| {
                let more = to.saturating_sub(from);
                (more / 2, more.div_ceil(2))
            });
            x = B::float_pad(x, &around.collect::<Vec<_>>(), PadMode::Constant(0.0));
        }
        Ok(vec![x])
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
        let (place, from) = (alone(samples)?, inputs.get(0)?.shape());
        let to = outputs.first()?.shape();
        (from.get(place.axis) == to.get(place.axis)).then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |sizes: &[i64]| {
            Case::new("CenterCropPad")
                .opset(18)
                .input(counting(&[2, 4]))
                .constant(ints(&[sizes.len()], sizes))
        };
        case(&[2, 1]).gives(&[2, 1], &[1.0, 5.0]);
        case(&[3, 2]).gives(&[3, 2], &[1.0, 2.0, 5.0, 6.0, 0.0, 0.0]);
        case(&[3, 2]).gradient_agrees();
        case(&[5])
            .ints("axes", &[-1])
            .gives(&[2, 5], &[0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 7.0, 0.0]);
        case(&[5]).fails("do not fit 2 axes");
        case(&[5, -1]).fails("negative");
        case(&[5, 5]).ints("axes", &[1, -1]).fails("twice");
        Case::new("CenterCropPad")
            .constant(ints(&[3], &[1, 1 << 40, 3]))
            .constant(ints(&[1], &[1]))
            .gives_ints(&[1], &[1 << 40]);
    }
}
