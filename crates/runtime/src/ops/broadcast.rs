//! Elementwise operators of two inputs with NumPy broadcasting: arithmetic, comparisons, logic.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed, count};
use crate::step::MAX_COMPUTED;
use crate::value::{Elements, Fact, Facts, Values, read};

/// What an operator of two inputs computes.
pub(crate) struct Rule<B: Backend> {
    /// Tensors of one rank; the type is that of the inputs.
    pub on_tensors: fn(FloatTensor<B>, FloatTensor<B>, DType) -> FloatTensor<B>,
    /// Known integers; `None` where the result overflows or is undefined.
    pub on_ints: fn(i64, i64) -> Option<i64>,
    /// The type of the result; `None` is that of the inputs.
    pub result: Option<DType>,
}

struct Binary<B: Backend> {
    /// Opset 6: the axis of the left input where the right one starts.
    axis: Option<i64>,
    rule: Rule<B>,
}

/// Reads the attributes that opset 6 has; from opset 7 on there are none.
pub(crate) fn binary<B: Backend>(node: &Node, context: &Context, rule: Rule<B>) -> Parsed<B> {
    let axis = if context.opset < 7 {
        node.attributes.int("axis")?
    } else {
        None
    };
    Ok(Box::new(Binary { axis, rule }))
}

impl<B: Backend> Operator<B> for Binary<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (left, right) = (inputs.any(0)?, inputs.any(1)?);
        if left.dtype != right.dtype {
            return Err(Fault::shape(format!(
                "the inputs are {} and {}; one type is needed",
                left.dtype, right.dtype
            )));
        }
        let aligned = align(self.axis, left.shape(), right.shape())?;
        let shape = broadcast(left.shape(), &aligned)?;
        let dtype = self.rule.result.unwrap_or(left.dtype);
        let known = (left.known_ints(), right.known_ints());
        let ((Some(l), Some(r)), true) = (known, fits_host(&shape, &[left, right])?) else {
            inputs.shape(0)?;
            return Ok(vec![Fact::new(dtype, shape)]);
        };
        let (l, r) = (
            stretched(l, left.shape(), &shape)?,
            stretched(r, &aligned, &shape)?,
        );
        let values = l.into_iter().zip(r).map(|(l, r)| (self.rule.on_ints)(l, r));
        let values: Option<Vec<i64>> = values
            .map(|value| value.map(|value| wrap(dtype, value)))
            .collect();
        let values =
            values.ok_or_else(|| Fault::shape("the integers overflow or are divided by zero"))?;
        Ok(vec![Fact::known(dtype, shape, Elements::Int(values))])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let dtype = inputs.fact(0).map_or(DType::F32, |fact| fact.dtype);
        let (left, right) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let aligned = align(self.axis, &left.shape(), &right.shape())?;
        let right = B::float_reshape(right, Shape::from(aligned));
        let (left, right) = same_rank::<B>(left, right);
        let out = (self.rule.on_tensors)(left, right, dtype);
        Ok(vec![match self.rule.result {
            None => unsigned::<B>(dtype, wrapped::<B>(dtype, out))?,
            Some(_) => out,
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = outputs.first()?.shape().len();
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let aligned = align(self.axis, left.shape(), right.shape()).ok()?;
        if aligned.len() != right.shape().len() && samples.get(1)?.is_some() {
            return None;
        }
        let inputs = Facts(vec![Some(left.clone()), Some(Fact::float(aligned))]);
        Some(vec![Some(elementwise(samples, &inputs, rank)?)])
    }
}

/// Both tensors with the larger rank, ready for burn's own broadcasting.
pub(crate) fn same_rank<B: Backend>(
    left: FloatTensor<B>,
    right: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let rank = left.rank().max(right.rank());
    let padded = |x: FloatTensor<B>| {
        let shape = pad_left(&x.shape(), rank);
        if x.rank() == rank {
            x
        } else {
            B::float_reshape(x, Shape::from(shape))
        }
    };
    (padded(left), padded(right))
}

/// `x` stretched to `shape`, which it broadcasts to.
pub(crate) fn stretch<B: Backend>(x: FloatTensor<B>, shape: &[usize]) -> FloatTensor<B> {
    let padded = pad_left(&x.shape(), shape.len());
    if shape.is_empty() {
        return x;
    }
    if padded == shape {
        return B::float_reshape(x, Shape::from(padded));
    }
    B::float_expand(
        B::float_reshape(x, Shape::from(padded)),
        Shape::from(shape.to_vec()),
    )
}

/// The elements of `shape` that `values`, of shape `from`, broadcast to.
pub(crate) fn stretched<T: Clone>(
    values: &[T],
    from: &[usize],
    shape: &[usize],
) -> Result<Vec<T>, Fault> {
    let from = pad_left(from, shape.len());
    // The step in `values` for each step along an axis of `shape`.
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for (slot, &size) in strides.iter_mut().zip(&from).rev() {
        *slot = if size == 1 { 0 } else { stride };
        stride *= size;
    }
    let element = |index: usize| {
        let mut rest = index;
        let mut at = 0;
        for (&size, &stride) in shape.iter().zip(&strides).rev() {
            at += rest % size * stride;
            rest /= size;
        }
        values.get(at).cloned()
    };
    let elements: Option<Vec<T>> = (0..count(shape)?).map(element).collect();
    elements.ok_or_else(|| Fault::shape("the elements end early"))
}

/// Whether known elements may be computed on the host: there are few, or no more than an input has.
pub(crate) fn fits_host(shape: &[usize], inputs: &[&Fact]) -> Result<bool, Fault> {
    let elements = count(shape)?;
    Ok(elements <= MAX_COMPUTED || inputs.iter().any(|fact| fact.len() >= elements))
}

/// `value` as an integer of `dtype`: narrow types wrap around, booleans are 0 or 1.
pub(crate) fn wrap(dtype: DType, value: i64) -> i64 {
    match dtype {
        DType::I32 => value as i32 as i64,
        DType::I16 => value as i16 as i64,
        DType::I8 => value as i8 as i64,
        DType::U32 => value as u32 as i64,
        DType::U16 => value as u16 as i64,
        DType::U8 => value as u8 as i64,
        DType::I4 => (value.wrapping_add(8)).rem_euclid(16) - 8,
        DType::U4 => value.rem_euclid(16),
        DType::Bool => (value != 0).into(),
        _ => value,
    }
}

/// Whole numbers of a narrow integer type wrapped around, as [`wrap`] does; other types as they
/// are.
pub(crate) fn wrapped<B: Backend>(dtype: DType, x: FloatTensor<B>) -> FloatTensor<B> {
    let (low, period) = match dtype {
        DType::I16 => (-32768.0f32, 65536.0f32),
        DType::I8 => (-128.0, 256.0),
        DType::U16 => (0.0, 65536.0),
        DType::U8 => (0.0, 256.0),
        DType::I4 => (-8.0, 16.0),
        DType::U4 => (0.0, 16.0),
        _ => return x,
    };
    let turns = B::float_sub_scalar(x.clone(), low.into());
    let turns = B::float_floor(B::float_mul_scalar(turns, (1.0 / period).into()));
    B::float_sub(x, B::float_mul_scalar(turns, period.into()))
}

/// `x`, unless `dtype` is a wide unsigned type and an element is negative: what it wraps around to
/// is not exact in float32. One number is read back.
pub(crate) fn unsigned<B: Backend>(
    dtype: DType,
    x: FloatTensor<B>,
) -> Result<FloatTensor<B>, Fault> {
    let elements = x.shape().num_elements();
    if !matches!(dtype, DType::U32 | DType::U64) || elements == 0 {
        return Ok(x);
    }
    let row = B::float_reshape(B::float_detach(x.clone()), Shape::from([1, elements]));
    match read::<B>(B::float_min_dim(row, 1))?.first() {
        Some(&least) if least < 0.0 => Err(Fault::Unsupported(format!(
            "{least}, which a run computes, as {dtype}"
        ))),
        _ => Ok(x),
    }
}

/// The right input's shape, moved to start at `axis` of the left one.
pub(crate) fn align(
    axis: Option<i64>,
    left: &[usize],
    right: &[usize],
) -> Result<Vec<usize>, Fault> {
    let Some(axis) = axis else {
        return Ok(right.to_vec());
    };
    let start = crate::ops::axis(axis, left.len())?;
    let trailing = left
        .len()
        .checked_sub(start + right.len())
        .ok_or_else(|| Fault::shape(format!("axis {axis} leaves no room for the second input")))?;
    Ok(right
        .iter()
        .copied()
        .chain(std::iter::repeat_n(1, trailing))
        .collect())
}

/// The shape that `left` and `right` broadcast to.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Fault> {
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
pub(crate) fn pad_left(shape: &[usize], rank: usize) -> Vec<usize> {
    let ones = rank.saturating_sub(shape.len());
    std::iter::repeat_n(1, ones)
        .chain(shape.iter().copied())
        .collect()
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
    fn elements() {
        let row = stretched(&[1, 2], &[2], &[3, 2]).expect("broadcasts");
        assert_eq!(row, [1, 2, 1, 2, 1, 2]);
        let column = stretched(&[1, 2], &[2, 1], &[2, 2]).expect("broadcasts");
        assert_eq!(column, [1, 1, 2, 2]);
        assert_eq!(stretched(&[7], &[], &[2]).expect("broadcasts"), [7, 7]);
        assert!(stretched(&[1], &[2], &[2]).is_err());
    }

    #[test]
    fn what_is_known_may_not_grow_without_bound() {
        let column = Fact::ints(vec![1 << 10, 1], vec![1; 1 << 10]);
        let row = Fact::ints(vec![1 << 10], vec![1; 1 << 10]);
        let fits = |shape: &[usize], facts: &[&Fact]| fits_host(shape, facts).expect("counts");
        assert!(!fits(&[1 << 10, 1 << 10], &[&column, &row]));
        assert!(fits(&[1 << 10], &[&row]));
        let large = Fact::ints(vec![1 << 20], vec![1; 1 << 20]);
        assert!(fits(&[1 << 20], &[&large, &row]));
        assert!(fits_host(&[usize::MAX, 2], &[]).is_err());
    }

    #[test]
    fn narrow_integers_wrap() {
        use burn_flex::{Flex, FlexTensor};
        for (dtype, value, out) in [
            (DType::U8, 260, 4),
            (DType::U8, -1, 255),
            (DType::I8, 130, -126),
            (DType::I16, -32769, 32767),
            (DType::I4, -9, 7),
            (DType::U4, -9, 7),
            (DType::I64, 260, 260),
        ] {
            assert_eq!(wrap(dtype, value), out, "{dtype} {value}");
            let x = burn_backend::TensorData::new(vec![value as f32], [1]);
            let x = wrapped::<Flex>(dtype, FlexTensor::from_data(x));
            let x = x.into_data().try_into_vec::<f32>().expect("floats");
            assert_eq!(x, [out as f32], "{dtype} {value}");
        }
        assert_eq!(wrap(DType::Bool, 2), 1);
    }
}
