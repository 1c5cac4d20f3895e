//! OneHot: along a new axis of `depth`, the on-value at each index and the off-value elsewhere.
//! Indices count from either end, and name nothing outside `-depth..depth`.

use burn_backend::{Backend, Shape, get_device_settings, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fill::one;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct OneHot {
    axis: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(OneHot {
        axis: node.attributes.int_or("axis", -1)?,
    }))
}

impl<B: Backend> Operator<B> for OneHot {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (indices, values) = (inputs.shape(0)?, inputs.any(2)?);
        let axis = crate::ops::axis(self.axis, indices.len() + 1)?;
        let depth = match inputs.any(1)?.is_float() {
            true => one(inputs.floats(1)?)? as i64,
            false => one(inputs.ints(1)?)?,
        };
        let depth = usize::try_from(depth).ok().filter(|&depth| depth > 0);
        let depth = depth.ok_or_else(|| Fault::shape("depth is not positive"))?;
        if values.shape() != [2] {
            return Err(Fault::shape("values are not an off-value and an on-value"));
        }
        let mut shape = indices.to_vec();
        shape.insert(axis, depth);
        Ok(vec![values.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let axis = crate::ops::axis(self.axis, out.len())?;
        let depth = out.get(axis).copied().unwrap_or(1);
        let shape = Shape::from(out.to_vec());
        let only_axis = |size| {
            let mut shape = vec![1; out.len()];
            shape.iter_mut().skip(axis).take(1).for_each(|s| *s = size);
            shape
        };
        let indices = indices(&mut inputs, depth)?;
        let mut spread = out.to_vec();
        spread.iter_mut().skip(axis).take(1).for_each(|s| *s = 1);
        let indices = B::float_expand(
            B::float_reshape(indices, Shape::from(spread)),
            shape.clone(),
        );
        let places = inputs.upload(&only_axis(depth), (0..depth).map(|i| i as f32).collect());
        let places = B::float_expand(places, shape.clone());
        let dtype = get_device_settings::<B>(inputs.device).bool_dtype;
        let hot = B::float_equal(indices, places, dtype);
        let values = inputs.tensor(2)?;
        let value = |i: usize| {
            let value = B::float_slice(values.clone(), &[burn_backend::Slice::from(i..i + 1)]);
            let value = B::float_reshape(value, Shape::from(only_axis(1)));
            B::float_expand(value, shape.clone())
        };
        Ok(vec![B::float_mask_where(value(0), hot, value(1))])
    }

    fn moves(&self, index: usize) -> bool {
        index == 2
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, outputs.first()?.shape().len()).ok()?;
        let place = samples.first().copied().flatten()?;
        let axis = place.axis + usize::from(place.axis >= axis);
        Some(vec![Some(Samples { axis, ..place })])
    }
}

/// The indices counted from the front.
fn indices<B: Backend>(inputs: &mut Values<B>, depth: usize) -> Result<FloatTensor<B>, Fault> {
    if let Some(known) = inputs.fact(0).and_then(Fact::known_ints) {
        let depth = depth as i64;
        let place = |&index: &i64| match index {
            0.. if index < depth => index as f32,
            ..0 if index >= -depth => (index + depth) as f32,
            _ => -1.0,
        };
        let places = known.iter().map(place).collect();
        let shape = inputs.shape(0)?;
        return Ok(inputs.upload(&shape, places));
    }
    let float = inputs.fact(0).is_none_or(|fact| fact.is_float());
    let indices = match inputs.tensor(0)? {
        indices if float => B::float_trunc(indices),
        indices => indices,
    };
    // Whole numbers: the clamp to -1..0 finds the negative ones.
    let negative = B::float_clamp(indices.clone(), (-1.0f32).into(), 0.0f32.into());
    let turn = B::float_mul_scalar(negative, (depth as f32).into());
    Ok(B::float_sub(indices, turn))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let indices = || ints(&[4], &[1, -1, 2, -3]);
        let on_off = || floats(&[2], &[2.0, 5.0]);
        let case = |indices: Case| indices.constant(ints(&[], &[2])).input(on_off());
        let known = || case(Case::new("OneHot").constant(indices()));
        let out = [2.0, 5.0, 2.0, 5.0, 2.0, 2.0, 2.0, 2.0];
        known().gives(&[4, 2], &out);
        case(Case::new("OneHot").input(indices())).gives(&[4, 2], &out);
        known().gradient_agrees();
        known()
            .int("axis", 0)
            .gives(&[2, 4], &[2.0, 2.0, 2.0, 2.0, 5.0, 5.0, 2.0, 2.0]);
        case(Case::new("OneHot").input(floats(&[2], &[1.0, -2.0])))
            .gives(&[2, 2], &[2.0, 5.0, 5.0, 2.0]);
        Case::new("OneHot")
            .constant(ints(&[], &[1]))
            .constant(floats(&[1], &[3.0]))
            .constant(ints(&[2], &[i64::MIN, i64::MAX]))
            .gives_ints(&[3], &[i64::MIN, i64::MAX, i64::MIN]);
    }

    #[test]
    fn faults() {
        let case = |depth, values: &[f32]| {
            Case::new("OneHot")
                .constant(ints(&[1], &[0]))
                .constant(depth)
                .constant(floats(&[values.len()], values))
        };
        case(ints(&[], &[0]), &[0.0, 1.0]).fails("depth is not positive");
        case(ints(&[2], &[1, 1]), &[0.0, 1.0]).fails("2 elements");
        case(ints(&[], &[1]), &[0.0]).fails("an off-value and an on-value");
        case(ints(&[], &[1]), &[0.0, 1.0])
            .int("axis", 2)
            .fails("outside");
    }
}
