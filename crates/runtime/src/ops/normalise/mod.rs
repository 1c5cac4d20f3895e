//! Normalisations over channels, layers and classes.

pub(crate) mod batch_normalization;
mod embed_layer_normalization;
mod group_normalization;
mod instance_normalization;
mod layer_normalization;
mod log_softmax;
pub(crate) mod lp;
mod lp_normalization;
mod lrn;
mod mean_variance_normalization;
mod moments;
mod skip_layer_normalization;
pub(crate) mod softmax;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("BatchNormalization", batch_normalization::parse)
            .with_layer(batch_normalization::layer),
        Row::exact("GroupNormalization", group_normalization::parse),
        Row::exact("InstanceNormalization", instance_normalization::parse),
        Row::exact("LRN", lrn::parse),
        Row::exact("LayerNormalization", layer_normalization::parse)
            .with_layer(layer_normalization::layer),
        Row::exact("LogSoftmax", log_softmax::parse),
        Row::exact("LpNormalization", lp_normalization::parse),
        Row::exact(
            "MeanVarianceNormalization",
            mean_variance_normalization::parse,
        ),
        Row::exact("RMSNormalization", layer_normalization::simplified)
            .with_layer(layer_normalization::simplified_layer),
        Row::exact(
            "SimplifiedLayerNormalization",
            layer_normalization::simplified,
        )
        .with_layer(layer_normalization::simplified_layer),
        Row::exact("Softmax", softmax::parse),
        Row::exact(
            "com.microsoft.EmbedLayerNormalization",
            embed_layer_normalization::parse,
        ),
        Row::exact(
            "com.microsoft.SimplifiedLayerNormalization",
            layer_normalization::simplified,
        )
        .with_layer(layer_normalization::simplified_layer),
        Row::exact(
            "com.microsoft.SkipLayerNormalization",
            skip_layer_normalization::parse,
        ),
        Row::exact(
            "com.microsoft.SkipSimplifiedLayerNormalization",
            skip_layer_normalization::simplified,
        ),
    ]
}
