//! Casts and quantisation.

mod cast;
mod half;
mod text;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Cast", cast::parse),
        Row::exact("CastLike", cast::parse_like),
    ]
}
