//! The transpose of a convolution: every element of the input spreads over a window of the output.

use burn_backend::ops::ConvTransposeOptions;
use burn_backend::{Backend, Slice, TensorMetadata, tensor::FloatTensor};

/// One axis.
pub(super) struct Spread {
    pub stride: usize,
    pub dilation: usize,
    /// The size that all windows cover.
    pub full: usize,
    /// Where in it the output begins.
    pub begin: usize,
    /// The output's size; what lies beyond `full` is zero.
    pub output: usize,
}

impl Spread {
    /// How much the output reaches beyond what is left where `begin` is cut off at both ends.
    fn beyond(&self) -> usize {
        (self.output + 2 * self.begin).saturating_sub(self.full)
    }
}

/// Spreads `x` \[n, c, ...\] by `weights` \[c, m / group, kernel...\].
pub(super) fn spread<B: Backend>(
    x: FloatTensor<B>,
    weights: FloatTensor<B>,
    axes: &[Spread],
    group: usize,
) -> FloatTensor<B> {
    let out = match axes.len() {
        1 => B::conv_transpose1d(x, weights, None, options(axes, group)),
        2 => B::conv_transpose2d(x, weights, None, options(axes, group)),
        _ => B::conv_transpose3d(x, weights, None, options(axes, group)),
    };
    fit::<B>(out, axes)
}

fn options<const N: usize>(axes: &[Spread], group: usize) -> ConvTransposeOptions<N> {
    let each = |of: fn(&Spread) -> usize, missing: usize| {
        std::array::from_fn(|i| axes.get(i).map_or(missing, of))
    };
    ConvTransposeOptions::new(
        each(|axis| axis.stride, 1),
        each(|axis| axis.begin, 0),
        each(Spread::beyond, 0),
        each(|axis| axis.dilation, 1),
        group,
    )
}

/// Cuts the end of every axis to the output's size.
fn fit<B: Backend>(x: FloatTensor<B>, axes: &[Spread]) -> FloatTensor<B> {
    let shape = x.shape().to_vec();
    let outputs = axes.iter().map(|axis| axis.output);
    let kept: Vec<usize> = shape.iter().copied().take(2).chain(outputs).collect();
    if shape == kept {
        return x;
    }
    let slices: Vec<Slice> = kept.iter().map(|&size| (0..size).into()).collect();
    B::float_slice(x, &slices)
}
