//! Recurrent layers, unrolled over time.

mod activation;
mod gru;
mod layer;
mod lstm;
mod rnn;
mod walk;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("GRU", gru::parse),
        Row::exact("LSTM", lstm::parse),
        Row::exact("RNN", rnn::parse),
    ]
}
