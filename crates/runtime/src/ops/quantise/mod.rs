//! Casts and quantisation.

mod cast;
mod conv_integer;
mod dequantize_linear;
mod dynamic_quantize_linear;
mod half;
mod inner;
mod matmul_integer;
mod qgemm;
mod qlinear;
mod quantize_linear;
mod requantise;
mod scale;
mod text;

use burn_backend::Backend;

use crate::ops::Row;
pub(in crate::ops) use cast::dtype_of;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Cast", cast::parse),
        Row::exact("CastLike", cast::parse_like),
        Row::exact("ConvInteger", conv_integer::parse),
        Row::exact("DequantizeLinear", dequantize_linear::parse),
        Row::quantised("DynamicQuantizeLinear", dynamic_quantize_linear::parse),
        Row::exact("MatMulInteger", matmul_integer::parse),
        Row::quantised("QLinearConv", conv_integer::parse_linear),
        Row::quantised("QLinearMatMul", matmul_integer::parse_linear),
        Row::quantised("QuantizeLinear", quantize_linear::parse),
        Row::quantised("com.microsoft.QGemm", qgemm::parse),
        Row::quantised("com.microsoft.QLinearAdd", qlinear::add),
        Row::quantised("com.microsoft.QLinearAveragePool", qlinear::average_pool),
        Row::quantised("com.microsoft.QLinearConcat", qlinear::concat),
        Row::quantised(
            "com.microsoft.QLinearGlobalAveragePool",
            qlinear::global_average_pool,
        ),
        Row::quantised("com.microsoft.QLinearLeakyRelu", qlinear::leaky_relu),
        Row::quantised("com.microsoft.QLinearMul", qlinear::mul),
        Row::quantised("com.microsoft.QLinearSigmoid", qlinear::sigmoid),
        Row::quantised("com.microsoft.QLinearSoftmax", qlinear::softmax),
        Row::quantised("com.microsoft.QLinearWhere", qlinear::choose),
    ]
}
