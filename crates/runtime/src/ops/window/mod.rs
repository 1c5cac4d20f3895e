//! Sliding windows: convolutions and pools.

mod average_pool;
mod conv;
mod global_average_pool;
mod max_pool;
mod place;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("AveragePool", average_pool::parse),
        Row::exact("Conv", conv::parse),
        Row::exact("GlobalAveragePool", global_average_pool::parse),
        Row::exact("MaxPool", max_pool::parse),
    ]
}
