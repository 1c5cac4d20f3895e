//! Normalisations over channels, layers and classes.

pub(crate) mod batch_normalization;
mod log_softmax;
pub(crate) mod lp;
pub(crate) mod softmax;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("BatchNormalization", batch_normalization::parse),
        Row::exact("LogSoftmax", log_softmax::parse),
        Row::exact("Softmax", softmax::parse),
    ]
}
