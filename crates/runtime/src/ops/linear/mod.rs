//! Products of matrices.

mod gemm;
mod matmul;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Gemm", gemm::parse),
        Row::exact("MatMul", matmul::parse),
    ]
}
