//! Rows of a matrix that indices name: what the Gather and Scatter operators and ReverseSequence are
//! made of.

use burn_backend::{
    Backend, IntDType, Shape, TensorData, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};

use super::kept::Kept;
use crate::Fault;
use crate::value::{Fact, Values};

/// Indices of rows, on the device.
#[derive(Clone)]
pub(super) struct Rows<B: Backend> {
    pub indices: IntTensor<B>,
    /// No row is named twice: then both directions run in parallel.
    pub unique: bool,
}

impl<B: Backend> Rows<B> {
    /// Rows that are known.
    pub fn known(rows: Vec<usize>, device: &B::Device) -> Result<Self, Fault> {
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        let unique = sorted.windows(2).all(|pair| pair.first() != pair.last());
        let indices = upload::<B>(rows, device)?;
        Ok(Rows { indices, unique })
    }

    /// The rows of the matrix `x`.
    pub fn take(self, x: FloatTensor<B>) -> FloatTensor<B> {
        match self.unique {
            true => B::float_gather_nd(x, column::<B>(self.indices)),
            false => B::float_select(x, 0, self.indices),
        }
    }
}

/// A list of indices as tuples of one index.
pub(super) fn column<B: Backend>(indices: IntTensor<B>) -> IntTensor<B> {
    let len = indices.shape().num_elements();
    B::int_reshape(indices, Shape::from([len, 1]))
}

/// Moves a list of indices to the device.
pub(crate) fn upload<B: Backend>(
    indices: Vec<usize>,
    device: &B::Device,
) -> Result<IntTensor<B>, Fault> {
    let len = indices.len();
    let indices: Result<Vec<i32>, _> = indices.into_iter().map(i32::try_from).collect();
    let indices = indices.map_err(|_| Fault::shape("an index lies beyond 2^31"))?;
    Ok(B::int_from_data(TensorData::new(indices, [len]), device))
}

/// Indices that a run computed, as a list of positions below `size`: those outside are moved to the
/// nearest end.
pub(super) fn computed<B: Backend>(indices: FloatTensor<B>, size: usize) -> IntTensor<B> {
    let len = indices.shape().num_elements();
    let indices = B::float_reshape(indices, Shape::from([len]));
    let last = size.saturating_sub(1) as f32;
    // A negative index counts from the end: only there does the clamped minimum add the size.
    let negative = B::float_clamp(indices.clone(), (-1.0f32).into(), 0.0f32.into());
    let indices = B::float_sub(indices, B::float_mul_scalar(negative, (size as f32).into()));
    let indices = B::float_clamp(indices, 0.0f32.into(), last.into());
    B::float_into_int(indices, IntDType::I32)
}

/// The row that tuples of `width` computed indices name, in row-major order of `sizes`.
pub(super) fn computed_rows<B: Backend>(
    tuples: FloatTensor<B>,
    sizes: &[usize],
) -> Result<IntTensor<B>, Fault> {
    let width = sizes.len();
    let count = tuples.shape().num_elements().checked_div(width);
    let count = count.ok_or_else(|| Fault::shape("the index tuples are empty"))?;
    let tuples = B::float_reshape(tuples, Shape::from([count, width]));
    let mut rows: Option<IntTensor<B>> = None;
    for (j, (&size, stride)) in sizes.iter().zip(strides(sizes)).enumerate() {
        let range = [
            burn_backend::Slice::from(0..count),
            burn_backend::Slice::from(j..j + 1),
        ];
        let index = computed::<B>(B::float_slice(tuples.clone(), &range), size);
        let part = B::int_mul_scalar(index, (stride as i64).into());
        rows = Some(match rows {
            Some(rows) => B::int_add(rows, part),
            None => part,
        });
    }
    rows.ok_or_else(|| Fault::shape("the index tuples are empty"))
}

/// The rows that tuples of known indices name, counted from either end, in row-major order of
/// `sizes`.
pub(super) fn known_rows(tuples: &[i64], sizes: &[usize]) -> Result<Vec<usize>, Fault> {
    let strides = strides(sizes);
    let row = |tuple: &[i64]| {
        let mut places = tuple.iter().zip(sizes).zip(&strides);
        // Of data without elements the sizes may be such that this saturates.
        places.try_fold(0usize, |row, ((&index, &size), &stride)| {
            Ok(row.saturating_add(position(index, size)?.saturating_mul(stride)))
        })
    };
    tuples.chunks(sizes.len().max(1)).map(row).collect()
}

/// An index counted from either end, as a position below `size`.
pub(super) fn position(index: i64, size: usize) -> Result<usize, Fault> {
    crate::ops::axis(index, size).map_err(|_| {
        Fault::shape(format!(
            "index {index} lies outside the {size} entries of the axis"
        ))
    })
}

/// Indices counted from either end, as positions below `size`.
pub(super) fn positions(indices: &[i64], size: usize) -> Result<Vec<usize>, Fault> {
    indices.iter().map(|&index| position(index, size)).collect()
}

/// Refuses indices that do not lie below `size`, as far as they are known.
pub(super) fn check_below(indices: &Fact, size: usize) -> Result<(), Fault> {
    match indices.known_ints() {
        Some(indices) => positions(indices, size).map(|_| ()),
        None if size == 0 && !indices.shape().contains(&0) => {
            Err(Fault::shape("the axis has no entries"))
        }
        None => Ok(()),
    }
}

/// The indices of input 1, known or computed, as positions below `size`.
pub(super) fn picks<B: Backend>(
    inputs: &mut Values<B>,
    kept: &Kept<IntTensor<B>>,
    size: usize,
) -> Result<IntTensor<B>, Fault> {
    match inputs.fact(1).filter(|fact| fact.is_known()) {
        Some(fact) => kept.get(Some(fact), &[size], || {
            upload::<B>(positions(inputs.ints(1)?, size)?, inputs.device)
        }),
        None => Ok(computed::<B>(inputs.tensor(1)?, size)),
    }
}

/// The step in a row-major list for each step along an axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut stride = 1usize;
    for (slot, &size) in strides.iter_mut().zip(shape).rev() {
        *slot = stride;
        stride = stride.saturating_mul(size);
    }
    strides
}

/// The coordinates of element `index` of a tensor of `shape`.
pub(super) fn coordinates(index: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = index;
    let mut coordinates = vec![0; shape.len()];
    for (slot, &size) in coordinates.iter_mut().zip(shape).rev() {
        *slot = rest % size.max(1);
        rest /= size.max(1);
    }
    coordinates
}
