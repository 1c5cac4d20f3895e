//! Where a network meets images. Their few channels would leave most of a block empty, so the first convolution reads planes
//! of pixels, and on the way back it writes them.

mod from;
mod to;

pub(crate) use from::FromPlanes;
pub(crate) use to::ToPlanes;

use crate::layer::Convolution;
use crate::phase::Tap;
use crate::simd::Block;

/// Most channels of an image.
const MOST: usize = 4;

/// Whether a convolution of `channels` may read planes.
pub(crate) fn is_image(conv: &Convolution, channels: usize) -> bool {
    conv.groups == 1 && channels <= MOST
}

/// The weights of a block of filters, from `first` on.
fn weights_of(
    conv: &Convolution,
    channels: usize,
    first: usize,
    channel: usize,
    tap: &Tap,
) -> Block {
    let ([rows, cols], [y, x]) = (conv.window.kernel, tap.kernel);
    let weight =
        |filter: usize| conv.weights[((filter * channels + channel) * rows + y) * cols + x];
    Block(core::array::from_fn(|lane| match first + lane {
        filter if filter < conv.filters => weight(filter),
        _ => 0.0,
    }))
}
