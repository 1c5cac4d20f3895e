//! Sliding windows: convolutions and pools.

mod average_pool;
mod causal_conv_with_state;
mod col2_im;
mod conv;
mod conv_transpose;
mod deform_conv;
mod fused_conv;
mod global_pool;
mod lp_pool;
mod max_pool;
mod max_unpool;
mod nhwc;
mod place;
mod separable;
mod spread;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("AveragePool", average_pool::parse).with_layer(average_pool::layer),
        Row::exact("CausalConvWithState", causal_conv_with_state::parse),
        Row::exact("Col2Im", col2_im::parse),
        Row::exact("Conv", conv::parse).with_layer(conv::layer),
        Row::exact("ConvTranspose", conv_transpose::parse),
        Row::exact("DeformConv", deform_conv::parse),
        Row::exact("GlobalAveragePool", global_pool::average)
            .with_layer(global_pool::average_layer),
        Row::exact("GlobalLpPool", global_pool::lp),
        Row::exact("GlobalMaxPool", global_pool::max).with_layer(global_pool::max_layer),
        Row::exact("LpPool", lp_pool::parse),
        Row::exact("MaxPool", max_pool::parse).with_layer(max_pool::layer),
        Row::exact("MaxUnpool", max_unpool::parse),
        Row::exact("com.microsoft.FusedConv", fused_conv::parse),
        Row::exact("com.microsoft.NhwcConv", nhwc::parse),
    ]
}
