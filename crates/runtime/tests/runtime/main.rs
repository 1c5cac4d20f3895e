//! Models against what others measured: onnxruntime's outputs, published accuracies, central
//! differences, another device.

mod batch;
mod errors;
mod gpu;
mod gradient;
mod graphs;
mod shared;
mod truth;
