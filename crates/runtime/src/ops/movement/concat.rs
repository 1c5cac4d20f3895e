//! Concat along `axis`. Any type; empty inputs are passed over. Where a fixed batch is lifted, inputs
//! of one place along another axis are stretched to the others.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::broadcast::stretch;
use crate::ops::layer::{Inputs, MAX_CHANNELS, Part};
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Concat {
    axis: i64,
    stretches: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    // Before opset 4 there was a default; later the attribute is required.
    match node.attributes.int("axis")? {
        Some(axis) => Ok(Box::new(Concat {
            axis,
            stretches: false,
        })),
        None => Err(Fault::shape("attribute axis is missing")),
    }
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let rank = inputs.output.shape().len();
    let axis = inputs.node.attributes.int("axis").ok()??;
    (crate::ops::axis(axis, rank).ok()? == 1).then_some(())?;
    let mut places = Vec::new();
    for input in 0..inputs.facts.len() {
        let channels = *inputs.facts.get(input)?.shape().get(1)?;
        (channels <= MAX_CHANNELS).then_some(())?;
        places.extend((0..channels).map(|channel| (input, channel)));
    }
    let reads = (0..inputs.facts.len()).collect();
    Part::channels(places, reads)
}

impl<B: Backend> Operator<B> for Concat {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let mut shape = inputs.any(0)?.shape().to_vec();
        let axis = crate::ops::axis(self.axis, shape.len())?;
        for i in 1..inputs.len() {
            if inputs.any(i)?.dtype != inputs.any(0)?.dtype {
                return Err(Fault::shape("the inputs have several types"));
            }
            self.extend(&mut shape, inputs.any(i)?.shape(), axis)?;
        }
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let mut whole = outputs.first().map_or(vec![], |fact| fact.shape().to_vec());
        let axis = crate::ops::axis(self.axis, whole.len())?;
        let mut parts = Vec::with_capacity(inputs.len());
        for i in 0..inputs.len() {
            let shape = inputs.shape(i)?;
            if shape.contains(&0) {
                continue;
            }
            if let (Some(place), Some(&size)) = (whole.get_mut(axis), shape.get(axis)) {
                *place = size;
            }
            let part = inputs.tensor(i)?;
            parts.push(match shape == whole {
                true => part,
                false => stretch::<B>(part, &whole),
            });
        }
        Ok(vec![B::float_cat(parts, axis)])
    }

    fn moves(&self, _: usize) -> bool {
        true
    }

    fn lifted(&self) -> Option<Box<dyn Operator<B>>> {
        Some(Box::new(Concat {
            axis: self.axis,
            stretches: true,
        }))
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = outputs.first()?.shape().len();
        let axis = crate::ops::axis(self.axis, rank).ok()?;
        let out = elementwise(samples, inputs, rank)?;
        (out.axis != axis).then(|| vec![Some(out)])
    }
}

impl Concat {
    /// Makes `shape` the shape with `other` behind it.
    fn extend(&self, shape: &mut [usize], other: &[usize], axis: usize) -> Result<(), Fault> {
        let misfit = || Fault::shape(format!("the inputs differ outside axis {axis}"));
        if shape.len() != other.len() {
            return Err(misfit());
        }
        for (i, (size, &more)) in shape.iter_mut().zip(other).enumerate() {
            *size = match (*size, more) {
                (size, more) if i == axis => size
                    .checked_add(more)
                    .ok_or_else(|| Fault::shape("the axis overflows"))?,
                (size, more) if size == more => size,
                (1, more) if self.stretches => more,
                (size, 1) if self.stretches => size,
                _ => return Err(misfit()),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Concat;
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let left = || floats(&[2, 1], &[1.0, 2.0]);
        let right = || floats(&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
        let case = |axis| {
            Case::new("Concat")
                .int("axis", axis)
                .input(left())
                .input(right())
        };
        case(-1).gives(&[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
        case(1).gradient_agrees();
        case(0).fails("differ outside axis 0");
        case(2).fails("axis 2 lies outside");
        Case::new("Concat").input(left()).fails("axis is missing");
        Case::new("Concat")
            .int("axis", 0)
            .constant(ints(&[1], &[7]))
            .constant(ints(&[2], &[8, -1]))
            .gives_ints(&[3], &[7, 8, -1]);
    }
    #[test]
    fn one_place_stretches_where_it_is_lifted() {
        for (stretches, other, whole) in [
            (false, [2, 4], Some([2, 7])),
            (false, [1, 4], None),
            (true, [2, 4], Some([2, 7])),
            (true, [1, 4], Some([2, 7])),
            (true, [3, 4], None),
        ] {
            let concat = Concat { axis: 1, stretches };
            let mut shape = [2, 3];
            let extended = concat.extend(&mut shape, &other, 1);
            assert_eq!(extended.is_ok().then_some(shape), whole, "{other:?}");
            let mut first = other;
            let extended = concat.extend(&mut first, &[2, 3], 1);
            assert_eq!(extended.is_ok().then_some(first), whole, "{other:?}");
        }
    }
}
