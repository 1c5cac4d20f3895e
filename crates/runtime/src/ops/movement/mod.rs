//! Shapes, and elements that change places.

mod compress;
mod concat;
mod constant_of_shape;
mod expand;
mod eye_like;
pub(super) mod fill;
mod flatten;
mod gather;
mod gather_elements;
mod gather_nd;
mod guard;
mod identity;
pub(super) mod kept;
mod non_zero;
mod one_hot;
mod pad;
mod range;
mod reshape;
mod reverse_sequence;
pub(super) mod rows;
mod scatter;
mod scatter_elements;
mod scatter_nd;
mod shape;
mod size;
mod slice;
mod split;
mod squeeze;
mod tensor_scatter;
mod tile;
mod transpose;
mod trilu;
mod unique;
mod unsqueeze;

use burn_backend::Backend;

use crate::ops::Row;
use crate::ops::layer::Part;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Compress", compress::parse),
        Row::exact("Concat", concat::parse).with_layer(concat::layer),
        Row::exact("ConstantOfShape", constant_of_shape::parse),
        Row::exact("Dropout", identity::parse_dropout).with_layer(Part::same),
        Row::exact("Expand", expand::parse),
        Row::exact("EyeLike", eye_like::parse),
        Row::exact("Flatten", flatten::parse).with_layer(Part::same),
        Row::exact("Gather", gather::parse),
        Row::exact("GatherElements", gather_elements::parse),
        Row::exact("GatherND", gather_nd::parse),
        Row::exact("Identity", identity::parse).with_layer(Part::same),
        Row::exact("scoville.Guard", guard::parse),
        Row::zero("NonZero", non_zero::parse),
        Row::exact("OneHot", one_hot::parse),
        Row::exact("Pad", pad::parse),
        Row::exact("Range", range::parse),
        Row::exact("Reshape", reshape::parse).with_layer(Part::same),
        Row::exact("ReverseSequence", reverse_sequence::parse),
        Row::exact("Scatter", scatter_elements::parse),
        Row::exact("ScatterElements", scatter_elements::parse),
        Row::exact("ScatterND", scatter_nd::parse),
        Row::exact("Shape", shape::parse),
        Row::exact("Size", size::parse),
        Row::exact("Slice", slice::parse).with_layer(slice::layer),
        Row::exact("Split", split::parse).with_layer(split::layer),
        Row::exact("Squeeze", squeeze::parse).with_layer(Part::same),
        Row::exact("TensorScatter", tensor_scatter::parse),
        Row::exact("Tile", tile::parse),
        Row::exact("Transpose", transpose::parse).with_layer(transpose::layer),
        Row::exact("Trilu", trilu::parse),
        Row::zero("Unique", unique::parse),
        Row::exact("Unsqueeze", unsqueeze::parse).with_layer(Part::same),
    ]
}
