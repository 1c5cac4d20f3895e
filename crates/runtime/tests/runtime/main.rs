//! Models against what others measured: onnxruntime's outputs, published accuracies, central
//! differences, another device.

mod accuracy;
mod batch;
mod errors;
mod excluded;
mod fast;
mod gpu;
mod gradient;
mod graphs;
mod node_gradients;
mod node_suite;
mod quantised;
mod random;
mod shared;
mod stand_ins;
mod text;
mod truth;
