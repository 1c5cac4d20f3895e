//! Operators that draw numbers: defences that answer at random. A run differs from the one before, and a process draws the
//! same numbers as the last in the same order of runs. Elements are independent, so the samples of a batch stay apart.

mod bernoulli;
mod dropout;
mod noise;
mod tensor;

use burn_backend::Backend;

use crate::ops::Row;

pub(in crate::ops) use dropout::parse as parse_dropout;
pub(crate) use noise::Noise;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::zero("Bernoulli", bernoulli::parse),
        Row::zero("RandomNormal", tensor::normal),
        Row::zero("RandomNormalLike", tensor::normal_like),
        Row::zero("RandomUniform", tensor::uniform),
        Row::zero("RandomUniformLike", tensor::uniform_like),
    ]
}
