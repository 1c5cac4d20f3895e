//! A validated ONNX graph on burn: forward pass and input gradient.
//!
//! [`Model::load`] takes a graph through these steps, one module each:
//!
//! 1. `output`: choose the output; `prune`: keep what it needs, name every unsupported operator.
//! 2. `unroll`: If, Loop and Scan become plain nodes.
//! 3. `fold`: BatchNormalization into the layer before it; `gelu`: Gelu that is written out with Erf, put together.
//! 4. `program`: parse each node (`step`) into an operator of `ops`, fold constants, infer every
//!    shape, follow the samples of a batch.
//! 5. `prologue`: pixels in \[0,1\] to the model's own input.
//! 6. `network`: both on one backend, for any batch size, with or without the tape. Parts that are
//!    convolutional networks run as one step each (`program/segment`, `convnet`), if they agree on a sample of noise.
//!
//! [`TextModel`] is a model of text: what makes numbers of it, on the host, before a [`Model`] of those. [`embedded`] changes a model of
//! token ids so that gradients by their embedding can be taken, [`two_scores`] one of a single probability so that it has two scores.
//!
//! [`evaluate()`] runs any graph once, of any inputs; `inspect` says what a loaded one is made of.
//!
//! Burn panics on shapes that do not fit, so every shape is inferred and checked before burn runs;
//! what still panics inside burn is contained and becomes [`Error::Backend`].

#![forbid(unsafe_code)]

mod binary;
mod contained;
mod convnet;
mod embedding;
mod error;
mod evaluate;
mod features;
mod fold;
mod gelu;
mod inspect;
mod model;
mod network;
mod ops;
mod output;
mod probe;
mod program;
mod prologue;
mod prune;
mod spec;
mod step;
mod text;
mod trees;
mod unroll;
mod value;

pub use binary::two_scores;
pub use embedding::{Embedding, embedded, table_rows};
pub use error::{Error, Fault, Unsupported};
pub use evaluate::{Feed, differentiate, evaluate, passes_gradient};
pub use inspect::{Inspection, NodeReport};
pub use model::Model;
pub use ops::operators;
pub use spec::{Bpda, FeatureScale, Layout, ModelSpec};
pub use text::TextModel;
pub use trees::{TreeNode, Trees};
