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
        Row::zero("ConvInteger", conv_integer::parse),
        Row::exact("DequantizeLinear", dequantize_linear::parse),
        Row::zero("DynamicQuantizeLinear", dynamic_quantize_linear::parse),
        Row::zero("MatMulInteger", matmul_integer::parse),
        Row::zero("QLinearConv", conv_integer::parse_linear),
        Row::zero("QLinearMatMul", matmul_integer::parse_linear),
        Row::stepped("QuantizeLinear", quantize_linear::parse),
        Row::zero("com.microsoft.QGemm", qgemm::parse),
        Row::zero("com.microsoft.QLinearAdd", qlinear::add),
        Row::zero("com.microsoft.QLinearAveragePool", qlinear::average_pool),
        Row::zero("com.microsoft.QLinearConcat", qlinear::concat),
        Row::zero(
            "com.microsoft.QLinearGlobalAveragePool",
            qlinear::global_average_pool,
        ),
        Row::zero("com.microsoft.QLinearLeakyRelu", qlinear::leaky_relu),
        Row::zero("com.microsoft.QLinearMul", qlinear::mul),
        Row::zero("com.microsoft.QLinearSigmoid", qlinear::sigmoid),
        Row::zero("com.microsoft.QLinearSoftmax", qlinear::softmax),
        Row::zero("com.microsoft.QLinearWhere", qlinear::choose),
    ]
}
