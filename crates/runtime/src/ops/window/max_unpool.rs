//! MaxUnpool: each element goes to the place that MaxPool's indices name, all others are zero. The
//! output has the size that MaxPool's input would have had.

use burn_backend::{
    Backend, FloatDType, IntDType, Shape, TensorData,
    tensor::{FloatTensor, IndexingUpdateOp},
};
use scoville_onnx::Node;

use super::place::{Window, spatial};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, MAX_EXACT, Values};

struct MaxUnpool(Window);

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(MaxUnpool(Window::parse(node)?)))
}

impl MaxUnpool {
    fn shape(&self, x: &[usize]) -> Result<Vec<usize>, Fault> {
        let size = spatial(x)?;
        let kernel = self.0.kernel.as_ref();
        let kernel = kernel.ok_or_else(|| Fault::shape("kernel_shape is missing"))?;
        self.0.fits(kernel, size.len())?;
        let unpooled = |(i, (&size, &kernel)): (usize, (&usize, &usize))| {
            let (begin, end) = self.0.pads(i, kernel_rank(x));
            let (stride, _) = self.0.steps(i);
            let size = (size - 1).checked_mul(stride)?.checked_add(kernel)?;
            size.checked_sub(begin.checked_add(end)?)
                .filter(|&size| size > 0)
        };
        let out: Option<Vec<usize>> = size.iter().zip(kernel).enumerate().map(unpooled).collect();
        let out = out.ok_or_else(|| Fault::shape("the padding leaves nothing"))?;
        Ok([x.get(..2).unwrap_or_default(), &out].concat())
    }
}

fn kernel_rank(x: &[usize]) -> usize {
    x.len().saturating_sub(2)
}

impl<B: Backend> Operator<B> for MaxUnpool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let shape = self.shape(x)?;
        if inputs.shape(1)? != x {
            return Err(Fault::shape("there is not one index for each element"));
        }
        // With another size it is open whether indices count in that or in the usual output.
        if let Some(asked) = inputs.optional_ints(2)? {
            let same = asked.len() == shape.len()
                && asked
                    .iter()
                    .zip(&shape)
                    .all(|(&a, &s)| usize::try_from(a) == Ok(s));
            if !same {
                return Err(Fault::Unsupported(format!(
                    "output_shape {asked:?} where kernel and strides give {shape:?}: it"
                )));
            }
        }
        let total = count(&shape)?;
        if total as u64 > MAX_EXACT as u64 {
            return Err(Fault::Unsupported(
                "an output of more than 2^24 elements".into(),
            ));
        }
        let outside = |&index: &i64| usize::try_from(index).is_ok_and(|index| index < total);
        if let Some(indices) = inputs.any(1)?.known_ints()
            && !indices.iter().all(outside)
        {
            return Err(Fault::shape(format!("an index lies outside {shape:?}")));
        }
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let (total, len) = (count(shape)?, count(&inputs.shape(0)?)?);
        let flat = |x| B::float_reshape(x, Shape::from(vec![len]));
        let indices = match inputs.fact(1).and_then(Fact::known_ints) {
            Some(indices) => {
                let indices: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
                B::int_from_data(TensorData::new(indices, [len]), inputs.device)
            }
            None => {
                let last = (total - 1) as f32;
                let indices = flat(inputs.tensor(1)?);
                let indices = B::float_clamp(indices, 0.0f32.into(), last.into());
                B::float_into_int(indices, IntDType::I32)
            }
        };
        let zeros = B::float_zeros(Shape::from(vec![total]), inputs.device, FloatDType::F32);
        let x = flat(inputs.tensor(0)?);
        let out = B::float_scatter(0, zeros, indices, x, IndexingUpdateOp::Assign);
        Ok(vec![B::float_reshape(out, Shape::from(shape.to_vec()))])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn plain() -> Case {
        Case::new("MaxUnpool")
            .ints("kernel_shape", &[2])
            .ints("strides", &[2])
            .input(floats(&[1, 2, 2], &[5.0, 6.0, 7.0, 8.0]))
    }

    #[test]
    fn values() {
        let out = [0.0, 5.0, 6.0, 0.0, 7.0, 0.0, 0.0, 8.0];
        let indices = || ints(&[1, 2, 2], &[1, 2, 4, 7]);
        plain().constant(indices()).gives(&[1, 2, 4], &out);
        plain().constant(indices()).gradient_agrees();
        plain().input(indices()).gives(&[1, 2, 4], &out);
        plain()
            .constant(indices())
            .constant(ints(&[3], &[1, 2, 4]))
            .gives(&[1, 2, 4], &out);
    }

    #[test]
    fn faults() {
        let indices = |last| ints(&[1, 2, 2], &[1, 2, 4, last]);
        plain().constant(indices(8)).fails("an index lies outside");
        plain()
            .constant(counting(&[1, 2, 1]))
            .fails("one index for each");
        plain()
            .constant(indices(0))
            .constant(ints(&[3], &[1, 2, 5]))
            .fails("output_shape [1, 2, 5]");
        Case::new("MaxUnpool")
            .input(counting(&[1, 1, 1]))
            .fails("kernel_shape is missing");
    }
}
