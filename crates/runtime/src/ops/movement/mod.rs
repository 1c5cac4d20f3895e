//! Shapes, and elements that change places.

mod concat;
mod flatten;
mod gather;
mod guard;
mod identity;
mod reshape;
mod shape;
mod squeeze;
mod transpose;
mod unsqueeze;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Concat", concat::parse),
        Row::exact("Dropout", identity::parse_dropout),
        Row::exact("Flatten", flatten::parse),
        Row::exact("Gather", gather::parse),
        Row::exact("Identity", identity::parse),
        Row::exact("scoville.Guard", guard::parse),
        Row::exact("Reshape", reshape::parse),
        Row::exact("Shape", shape::parse),
        Row::exact("Squeeze", squeeze::parse),
        Row::exact("Transpose", transpose::parse),
        Row::exact("Unsqueeze", unsqueeze::parse),
    ]
}
