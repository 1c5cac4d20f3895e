//! Why layers make no network.

/// Layers that do not fit together, or that are not supported here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer}: {what}")]
pub struct Error {
    pub layer: usize,
    pub what: &'static str,
}
