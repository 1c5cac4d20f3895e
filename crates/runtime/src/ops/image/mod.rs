//! Images resized, cut, and sampled.

mod affine_grid;
mod along;
mod center_crop_pad;
mod depth_to_space;
mod grid_sample;
mod lengths;
mod resize;
mod roi_align;
mod taps;
mod upsample;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("AffineGrid", affine_grid::parse),
        Row::exact("CenterCropPad", center_crop_pad::parse),
        Row::exact("DepthToSpace", depth_to_space::to_space),
        Row::exact("GridSample", grid_sample::parse),
        Row::exact("Resize", resize::parse),
        Row::exact("RoiAlign", roi_align::parse),
        Row::exact("SpaceToDepth", depth_to_space::to_depth),
        Row::exact("Upsample", upsample::parse),
    ]
}
