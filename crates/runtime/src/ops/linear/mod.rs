//! Products of matrices, and transforms that are such products.

mod einsum;
mod equation;
mod fused_matmul;
mod gemm;
mod matmul;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Einsum", einsum::parse),
        Row::exact("Gemm", gemm::parse),
        Row::exact("MatMul", matmul::parse),
        Row::exact("com.microsoft.FusedGemm", gemm::parse_fused),
        Row::exact("com.microsoft.FusedMatMul", fused_matmul::parse),
        Row::exact("com.microsoft.TransposeMatMul", fused_matmul::parse),
    ]
}
