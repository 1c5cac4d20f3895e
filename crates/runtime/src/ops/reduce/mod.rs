//! Reductions along axes.

mod reduce_mean;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![Row::exact("ReduceMean", reduce_mean::parse)]
}
