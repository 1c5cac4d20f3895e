//! TopK: the `k` largest or smallest elements along `axis`, in order, and their indices; of equal
//! ones the first comes first. `k` is an attribute up to opset 9, then a known input.
//!
//! One after another is found and struck out, so the order is the same on every device.

use burn_backend::{
    Backend, FloatDType, IntDType, Shape, TensorMetadata,
    tensor::{FloatTensor, IndexingUpdateOp, IntTensor},
};
use scoville_onnx::{DType, Node};

use super::axes::lanes;
use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

/// Most elements that are found one after another.
const MAX_K: usize = 4096;

struct TopK {
    axis: i64,
    largest: bool,
    /// Opset 9 and before.
    k: Option<i64>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let k = match context.opset {
        ..10 => {
            let k = node.attributes.int("k")?;
            Some(k.ok_or_else(|| Fault::shape("attribute k is missing"))?)
        }
        _ => None,
    };
    Ok(Box::new(TopK {
        axis: node.attributes.int_or("axis", -1)?,
        largest: node.attributes.int_or("largest", 1)? != 0,
        k,
    }))
}

impl TopK {
    /// The axis and k.
    fn place(&self, shape: &[usize], k: Option<&[i64]>) -> Result<(usize, usize), Fault> {
        let axis = crate::ops::axis(self.axis, shape.len())?;
        let k = match (self.k, k) {
            (Some(k), _) => k,
            (None, Some(&[k])) => k,
            (None, _) => return Err(Fault::shape("k is not one integer")),
        };
        let size = shape.get(axis).copied().unwrap_or(0);
        match usize::try_from(k) {
            Ok(k) if k <= size => Ok((axis, k)),
            _ => Err(Fault::shape(format!(
                "{k} elements cannot be taken of {size}"
            ))),
        }
    }

    /// The values and indices of known integers.
    fn ints(
        &self,
        x: &Fact,
        values: &[i64],
        axis: usize,
        k: usize,
    ) -> Result<[Vec<i64>; 2], Fault> {
        let lanes = lanes(values, x.shape(), &[axis])?;
        let sorted = |lane: &Vec<i64>| {
            let mut pairs: Vec<(i64, i64)> = lane.iter().copied().zip(0..).collect();
            // Stable: equal ones stay in order.
            match self.largest {
                true => pairs.sort_by_key(|&(value, _)| std::cmp::Reverse(value)),
                false => pairs.sort_by_key(|&(value, _)| value),
            }
            pairs
        };
        let lanes: Vec<Vec<(i64, i64)>> = lanes.iter().map(sorted).collect();
        let inner: usize = x.shape().iter().skip(axis + 1).product();
        let outer = lanes.chunks(inner.max(1));
        let picks: Vec<(i64, i64)> = outer
            .flat_map(|lanes| (0..k).flat_map(move |i| lanes.iter().filter_map(move |l| l.get(i))))
            .copied()
            .collect();
        let (values, indices) = picks.into_iter().unzip();
        Ok([values, indices])
    }

    fn indices<B: Backend>(&self, x: FloatTensor<B>, axis: usize, k: usize) -> IntTensor<B> {
        let x = B::float_detach(x);
        let x = if self.largest { x } else { B::float_neg(x) };
        // Above what strikes out; infinities stay the ends.
        let mut left = B::float_clamp(x, (-3.4e38f32).into(), f32::MAX.into());
        let mut lane = left.shape().to_vec();
        lane.iter_mut()
            .skip(axis)
            .take(1)
            .for_each(|size| *size = 1);
        let device = left.device();
        let struck = B::float_full(Shape::from(lane), f32::MIN.into(), &device, FloatDType::F32);
        let mut found = Vec::with_capacity(k);
        for i in 0..k {
            let index = B::float_argmax(left.clone(), axis, IntDType::I32);
            if i + 1 < k {
                let (at, by) = (index.clone(), struck.clone());
                left = B::float_scatter(axis, left, at, by, IndexingUpdateOp::Assign);
            }
            found.push(index);
        }
        B::int_cat(found, axis)
    }
}

impl<B: Backend> Operator<B> for TopK {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let mut shape = inputs.shape(0)?.to_vec();
        let x = inputs.any(0)?;
        let (axis, k) = self.place(&shape, inputs.optional_ints(1)?)?;
        shape.iter_mut().skip(axis).take(1).for_each(|s| *s = k);
        if let Some(values) = x.known_ints().filter(|values| !values.is_empty()) {
            let [values, indices] = self.ints(x, values, axis, k)?;
            return Ok(vec![
                Fact::known(x.dtype, shape.clone(), Elements::Int(values)),
                Fact::ints(shape, indices),
            ]);
        }
        if k > MAX_K {
            return Err(Fault::Unsupported(format!("more than {MAX_K} elements")));
        }
        Ok(vec![
            x.with_shape(shape.clone()),
            Fact::new(DType::I64, shape),
        ])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (axis, k) = self.place(&shape, inputs.optional_ints(1)?)?;
        let x = inputs.tensor(0)?;
        let indices = self.indices::<B>(x.clone(), axis, k);
        let values = B::float_gather(axis, x, indices.clone());
        Ok(vec![values, B::int_into_float(indices, FloatDType::F32)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, inputs.get(0)?.shape().len()).ok()?;
        beside(samples, &[axis], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    fn case(k: i64) -> Case {
        Case::new("TopK")
            .outputs(2)
            .input(floats(
                &[2, 4],
                &[1.0, 3.0, 3.0, f32::NEG_INFINITY, 0.5, -1.0, 2.0, 7.0],
            ))
            .constant(ints(&[1], &[k]))
    }

    #[test]
    fn values() {
        case(3).output_gives(0, &[2, 3], &[3.0, 3.0, 1.0, 7.0, 2.0, 0.5]);
        case(3).output_gives(1, &[2, 3], &[1.0, 2.0, 0.0, 3.0, 2.0, 0.0]);
        case(4).output_gives(1, &[2, 4], &[1.0, 2.0, 0.0, 3.0, 3.0, 2.0, 0.0, 1.0]);
        let smallest = case(2).int("largest", 0);
        smallest.output_gives(0, &[2, 2], &[f32::NEG_INFINITY, 1.0, -1.0, 0.5]);
        smallest.output_gives(1, &[2, 2], &[3.0, 0.0, 1.0, 0.0]);
        case(1)
            .int("axis", 0)
            .output_gives(1, &[1, 4], &[0.0, 0.0, 0.0, 1.0]);
        case(5).fails("5 elements cannot be taken of 4");
        case(-1).fails("-1 elements cannot be taken");
        let differ = || floats(&[1, 4], &[1.0, 3.0, 2.5, -1.0]);
        Case::new("TopK")
            .input(differ())
            .constant(ints(&[1], &[3]))
            .gradient_agrees();
        Case::new("TopK")
            .opset(9)
            .int("k", 1)
            .input(differ())
            .gives(&[1, 1], &[3.0]);
        Case::new("TopK")
            .opset(9)
            .input(differ())
            .fails("k is missing");
    }

    #[test]
    fn integers() {
        let case = |axis| {
            Case::new("TopK")
                .outputs(2)
                .int("axis", axis)
                .constant(ints(&[2, 2], &[i64::MAX - 1, 5, i64::MAX, 5]))
                .constant(ints(&[], &[1]))
        };
        case(0).gives_ints(&[1, 2], &[i64::MAX, 5]);
        case(0).output_gives(1, &[1, 2], &[1.0, 0.0]);
        case(1).gives_ints(&[2, 1], &[i64::MAX - 1, i64::MAX]);
    }
}
