//! Makes every place of an axis anew out of weighted others.

use burn_backend::{
    Backend, Shape, TensorData,
    tensor::{Device, FloatTensor},
};

use super::taps::Taps;
use crate::Fault;
use crate::ops::count;

/// `x` of `shape` with `axis` replaced by the places that `taps` make; a place without taps is
/// `outside`. In matrix form, unless places are only repeated or picked.
pub(super) fn along<B: Backend>(
    x: FloatTensor<B>,
    shape: &mut [usize],
    axis: usize,
    taps: &[Taps],
    outside: f32,
    device: &Device<B>,
) -> Result<FloatTensor<B>, Fault> {
    let (before, rest) = shape.split_at_mut(axis);
    let Some((size, after)) = rest.split_first_mut() else {
        return Ok(x);
    };
    let (rows, input, columns) = (count(before)?, *size, count(after)?);
    let output = taps.len();
    *size = output;
    if input == output && taps.iter().enumerate().all(|(i, taps)| *taps == [(i, 1.0)]) {
        return Ok(x);
    }
    let reshape = |x, shape: Vec<usize>| B::float_reshape(x, Shape::from(shape));
    let out = if let Some(factor) = repeated(taps, input) {
        let x = reshape(x, vec![rows, input, 1, columns]);
        B::float_expand(x, Shape::from(vec![rows, input, factor, columns]))
    } else if let Some(places) = picked(taps) {
        let places = TensorData::new(places, [output]);
        let places = B::int_from_data(places, device);
        B::float_select(reshape(x, vec![rows, input, columns]), 1, places)
    } else {
        let columns_last = columns > 1;
        let matrix = matrix(taps, input, columns_last);
        let upload = |values: Vec<f32>, shape: [usize; 3]| {
            B::float_from_data(TensorData::new(values, shape), device)
        };
        let product = if columns_last {
            let matrix = upload(matrix, [1, output, input]);
            B::float_matmul(matrix, reshape(x, vec![rows, input, columns]))
        } else {
            let matrix = upload(matrix, [1, input, output]);
            B::float_matmul(reshape(x, vec![1, rows, input]), matrix)
        };
        let product = reshape(product, vec![rows, output, columns]);
        match outside != 0.0 && taps.iter().any(Vec::is_empty) {
            true => {
                let fill = taps
                    .iter()
                    .map(|taps| if taps.is_empty() { outside } else { 0.0 });
                B::float_add(product, upload(fill.collect(), [1, output, 1]))
            }
            false => product,
        }
    };
    Ok(reshape(out, shape.to_vec()))
}

/// How often each place is repeated, if that is all.
fn repeated(taps: &[Taps], input: usize) -> Option<usize> {
    let factor = taps.len().checked_div(input)?;
    let same = |(i, taps): (usize, &Taps)| *taps == [(i / factor.max(1), 1.0)];
    let whole = factor > 0 && factor * input == taps.len();
    (whole && taps.iter().enumerate().all(same)).then_some(factor)
}

/// The one place that each is, if that is all.
fn picked(taps: &[Taps]) -> Option<Vec<i32>> {
    let one = |taps: &Taps| match taps.as_slice() {
        &[(index, 1.0)] => i32::try_from(index).ok(),
        _ => None,
    };
    taps.iter().map(one).collect()
}

/// The weights as a matrix \[output, input\], or transposed.
fn matrix(taps: &[Taps], input: usize, output_first: bool) -> Vec<f32> {
    let output = taps.len();
    let mut matrix = vec![0.0; output * input];
    for (place, taps) in taps.iter().enumerate() {
        for &(index, weight) in taps {
            let at = match output_first {
                true => place * input + index,
                false => index * output + place,
            };
            if let Some(slot) = matrix.get_mut(at) {
                *slot += weight;
            }
        }
    }
    matrix
}
