//! Elementwise operators of two inputs with NumPy broadcasting: what Add, Sub, Mul and Div share.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::Context;
use crate::Fault;
use crate::value::{Fact, Facts, Ints, Values};

/// How the axes of the two inputs are matched.
pub(super) struct Broadcast {
    /// Opset 6: the axis of the left input where the right one starts.
    axis: Option<i64>,
}

impl Broadcast {
    /// Reads the attributes that opset 6 has; from opset 7 on there are none.
    pub fn parse(node: &Node, context: &Context) -> Result<Broadcast, Fault> {
        let axis = if context.opset < 7 {
            node.attributes.int("axis")?
        } else {
            None
        };
        Ok(Broadcast { axis })
    }

    /// The shape of the result, or the integers themselves where both inputs are integers.
    pub fn infer(
        &self,
        inputs: &Facts,
        on_ints: fn(i64, i64) -> Option<i64>,
    ) -> Result<Vec<Fact>, Fault> {
        if let (Fact::Int(left), Fact::Int(right)) = (inputs.any(0)?, inputs.any(1)?) {
            return Ok(vec![Fact::Int(combine(left, right, on_ints)?)]);
        }
        let (left, right) = (inputs.float(0)?, inputs.float(1)?);
        Ok(vec![Fact::Float(broadcast(
            left,
            &self.align(left, right)?,
        )?)])
    }

    /// Both inputs with the same rank, ready for burn's own broadcasting.
    pub fn operands<B: Backend>(
        &self,
        mut inputs: Values<B>,
    ) -> Result<(FloatTensor<B>, FloatTensor<B>), Fault> {
        let (left, right) = (inputs.float(0)?, inputs.float(1)?);
        let aligned = self.align(&left.shape(), &right.shape())?;
        let rank = left.rank().max(aligned.len());
        let right = B::float_reshape(right, Shape::from(pad_left(&aligned, rank)));
        let left_shape = pad_left(&left.shape(), rank);
        Ok((B::float_reshape(left, Shape::from(left_shape)), right))
    }

    fn align(&self, left: &[usize], right: &[usize]) -> Result<Vec<usize>, Fault> {
        let Some(axis) = self.axis else {
            return Ok(right.to_vec());
        };
        let start = super::axis(axis, left.len())?;
        let trailing = left.len().checked_sub(start + right.len()).ok_or_else(|| {
            Fault::shape(format!("axis {axis} leaves no room for the second input"))
        })?;
        Ok(right
            .iter()
            .copied()
            .chain(std::iter::repeat_n(1, trailing))
            .collect())
    }
}

/// The shape that `left` and `right` broadcast to.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = left.len().max(right.len());
    pad_left(left, rank)
        .into_iter()
        .zip(pad_left(right, rank))
        .map(|(l, r)| match (l, r) {
            (l, r) if l == r => Ok(l),
            (1, r) => Ok(r),
            (l, 1) => Ok(l),
            _ => Err(Fault::shape(format!("sizes {l} and {r} do not broadcast"))),
        })
        .collect()
}

/// `shape` with ones before it up to `rank` axes.
pub(super) fn pad_left(shape: &[usize], rank: usize) -> Vec<usize> {
    let ones = rank.saturating_sub(shape.len());
    std::iter::repeat_n(1, ones)
        .chain(shape.iter().copied())
        .collect()
}

fn combine(left: &Ints, right: &Ints, on_ints: fn(i64, i64) -> Option<i64>) -> Result<Ints, Fault> {
    let shape = if left.values.len() >= right.values.len() {
        &left.shape
    } else {
        &right.shape
    };
    let len = left.values.len().max(right.values.len());
    let scalar_or_same = |ints: &Ints| ints.values.len() == len || ints.values.len() == 1;
    if !(scalar_or_same(left) && scalar_or_same(right)) {
        return Err(Fault::Unsupported(
            "broadcasting integers other than a single one".into(),
        ));
    }
    let pick = |ints: &Ints, i: usize| ints.values.get(i).or(ints.values.first()).copied();
    let values = (0..len)
        .map(|i| on_ints(pick(left, i)?, pick(right, i)?))
        .collect::<Option<Vec<i64>>>()
        .ok_or_else(|| Fault::shape("the integers overflow or are divided by zero"))?;
    Ok(Ints {
        shape: shape.clone(),
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for (left, right, out) in [
            (vec![2, 3], vec![3], Some(vec![2, 3])),
            (vec![2, 1, 4], vec![3, 1], Some(vec![2, 3, 4])),
            (vec![], vec![2], Some(vec![2])),
            (vec![1], vec![], Some(vec![1])),
            (vec![0, 3], vec![1, 3], Some(vec![0, 3])),
            (vec![2, 3], vec![2], None),
        ] {
            assert_eq!(broadcast(&left, &right).ok(), out, "{left:?} {right:?}");
        }
    }

    #[test]
    fn integers() {
        let list = Ints::list(vec![6, 8]);
        let two = Ints {
            shape: vec![],
            values: vec![2],
        };
        let divided = combine(&list, &two, i64::checked_div).expect("divides");
        assert_eq!(divided, Ints::list(vec![3, 4]));
        assert_eq!(
            combine(&two, &list, i64::checked_mul).expect("fits"),
            Ints::list(vec![12, 16])
        );
        let zero = Ints::list(vec![0]);
        assert!(combine(&list, &zero, i64::checked_div).is_err());
        assert!(combine(&list, &Ints::list(vec![1, 2, 3]), i64::checked_add).is_err());
        assert!(combine(&list, &Ints::list(vec![i64::MAX]), i64::checked_add).is_err());
    }
}
