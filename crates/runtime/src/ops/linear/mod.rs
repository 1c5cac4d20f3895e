//! Products of matrices, and transforms that are such products.

mod dft;
mod einsum;
mod equation;
mod fourier;
mod fused_matmul;
mod gemm;
mod matmul;
mod mel_weight_matrix;
mod stft;
mod window;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("BlackmanWindow", window::parse_blackman),
        Row::exact("DFT", dft::parse),
        Row::exact("Einsum", einsum::parse),
        Row::exact("Gemm", gemm::parse).with_layer(gemm::layer),
        Row::exact("HammingWindow", window::parse_hamming),
        Row::exact("HannWindow", window::parse_hann),
        Row::exact("MatMul", matmul::parse).with_layer(matmul::layer),
        Row::exact("MelWeightMatrix", mel_weight_matrix::parse),
        Row::exact("STFT", stft::parse),
        Row::exact("com.microsoft.FusedGemm", gemm::parse_fused),
        Row::exact("com.microsoft.FusedMatMul", fused_matmul::parse),
        Row::exact("com.microsoft.TransposeMatMul", fused_matmul::parse),
    ]
}
