//! GatherElements: for each index, the element at its own place, but for `axis` the index. Indices
//! count from either end; those that a run computes and that lie outside are moved to the nearest
//! end.

use burn_backend::{
    Backend, Shape, Slice,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::Node;

use super::kept::Kept;
use super::rows::{check_below, picks};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct GatherElements<B: Backend> {
    axis: i64,
    indices: Kept<IntTensor<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(GatherElements {
        axis: node.attributes.int_or("axis", 0)?,
        indices: Kept::new(),
    }))
}

impl<B: Backend> Operator<B> for GatherElements<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices) = (inputs.any(0)?, inputs.any(1)?);
        let axis = crate::ops::axis(self.axis, data.shape().len())?;
        let size = fits(data.shape(), indices.shape(), axis)?;
        check_below(indices, size)?;
        Ok(vec![data.with_shape(indices.shape().to_vec())])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let axis = crate::ops::axis(self.axis, shape.len())?;
        let size = fits(&shape, out, axis)?;
        let indices = picks(&mut inputs, &self.indices, size)?;
        let indices = B::int_reshape(indices, Shape::from(out.to_vec()));
        // Beside the axis, only the indices' own places are looked at.
        let sizes = shape.iter().zip(out).enumerate();
        let used = |(i, (&size, &used)): (usize, (&usize, &usize))| match i == axis {
            true => Slice::from(0..size),
            false => Slice::from(0..used),
        };
        let used: Vec<Slice> = sizes.map(used).collect();
        let x = B::float_slice(inputs.tensor(0)?, &used);
        Ok(vec![B::float_gather(axis, x, indices)])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, outputs.first()?.shape().len()).ok()?;
        let both = samples.iter().all(Option::is_some);
        let place = samples.first().copied().flatten()?;
        let alike = both && samples.iter().all(|other| *other == Some(place));
        (alike && place.axis != axis).then(|| vec![Some(place)])
    }
}

/// The size of `axis`, if elements at `indices` lie inside `data` beside it.
pub(super) fn fits(data: &[usize], indices: &[usize], axis: usize) -> Result<usize, Fault> {
    let mut others = data.iter().zip(indices).enumerate();
    if data.len() != indices.len() || others.any(|(i, (size, n))| i != axis && n > size) {
        return Err(Fault::shape(format!(
            "indices of shape {indices:?} do not lie inside {data:?} beside axis {axis}"
        )));
    }
    Ok(data.get(axis).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |axis| {
            Case::new("GatherElements")
                .int("axis", axis)
                .input(counting(&[3, 4]))
        };
        let indices = || ints(&[2, 2], &[0, 1, 2, -1]);
        case(0)
            .constant(indices())
            .gives(&[2, 2], &[0.0, 5.0, 8.0, 9.0]);
        case(-1)
            .input(indices())
            .gives(&[2, 2], &[0.0, 1.0, 6.0, 7.0]);
        case(0).constant(indices()).gradient_agrees();
        case(1)
            .constant(ints(&[1, 3], &[1, 1, 0]))
            .gradient_agrees();
        case(0)
            .input(ints(&[1, 2], &[9, -9]))
            .gives(&[1, 2], &[8.0, 1.0]);
        case(0)
            .constant(ints(&[1, 2], &[3, 0]))
            .fails("index 3 lies outside the 3");
        case(0)
            .constant(ints(&[1, 5], &[0; 5]))
            .fails("do not lie inside");
        case(0)
            .constant(ints(&[2], &[0; 2]))
            .fails("do not lie inside");
        Case::new("GatherElements")
            .constant(ints(&[2], &[i64::MAX, 1]))
            .constant(ints(&[3], &[0, 1, 0]))
            .gives_ints(&[3], &[i64::MAX, 1, i64::MAX]);
    }
}
