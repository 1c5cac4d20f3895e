//! Parts of a tensor along one axis.

use std::ops::Range;

use burn_backend::{Backend, Shape, Slice, TensorMetadata, tensor::FloatTensor};

/// The entries `range` of `axis`, which has them.
pub(crate) fn part<B: Backend>(
    x: FloatTensor<B>,
    axis: usize,
    range: Range<usize>,
) -> FloatTensor<B> {
    let shape = x.shape();
    if shape.iter().nth(axis) == Some(&range.end) && range.start == 0 {
        return x;
    }
    let slices: Vec<Slice> = shape
        .iter()
        .enumerate()
        .map(|(i, &size)| Slice::from(if i == axis { range.clone() } else { 0..size }))
        .collect();
    B::float_slice(x, &slices)
}

/// `N` equal parts along `axis`.
pub(crate) fn parts<B: Backend, const N: usize>(
    x: FloatTensor<B>,
    axis: usize,
) -> [FloatTensor<B>; N] {
    let size = x.shape().iter().nth(axis).copied().unwrap_or(0) / N;
    std::array::from_fn(|i| part::<B>(x.clone(), axis, i * size..(i + 1) * size))
}

/// The entries of the first axis, without that axis. The tensor is halved again and again: the
/// gradient of a slice costs as much as what it is cut from.
pub(crate) fn entries<B: Backend>(x: FloatTensor<B>) -> Vec<FloatTensor<B>> {
    let shape = x.shape().to_vec();
    match shape.split_first() {
        None | Some((0, _)) => Vec::new(),
        Some((1, rest)) => vec![B::float_reshape(x, Shape::from(rest.to_vec()))],
        Some((&size, _)) => {
            let half = size / 2;
            let mut all = entries::<B>(part::<B>(x.clone(), 0, 0..half));
            all.extend(entries::<B>(part::<B>(x, 0, half..size)));
            all
        }
    }
}
