//! Attention, and the fused layers of transformer exports.

mod fused;
mod gelus;
mod linear_attention;
mod multi_head_attention;
mod product;
mod projected_attention;
mod rotary_embedding;
mod standard_attention;
mod standard_mask;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Attention", standard_attention::parse),
        Row::exact("LinearAttention", linear_attention::parse),
        Row::exact("RotaryEmbedding", rotary_embedding::parse),
        Row::exact("com.microsoft.Attention", projected_attention::parse),
        Row::exact("com.microsoft.BiasGelu", gelus::bias_gelu),
        Row::exact("com.microsoft.BiasSplitGelu", gelus::bias_split_gelu),
        Row::exact("com.microsoft.FastGelu", gelus::fast_gelu),
        Row::exact("com.microsoft.Gelu", gelus::gelu),
        Row::exact(
            "com.microsoft.MultiHeadAttention",
            multi_head_attention::parse,
        ),
        Row::exact("com.microsoft.QuickGelu", gelus::quick_gelu),
        Row::exact(
            "com.microsoft.RotaryEmbedding",
            rotary_embedding::parse_fused,
        ),
    ]
}
