//! Small networks, trained on what a target answers, that stand for it: surrogates for transfer attacks.
//!
//! [`train`] spends a budget of queries on an [`Oracle`], which gives labels or scores, and makes of the answers a
//! [`Surrogate`]: an ONNX graph that the runtime loads as any model, and how often it agrees with the target on samples that
//! it has not seen. [`train_on_texts`] does the same with texts. Training runs on the CPU in f32; the same seed and answers give the same weights.

mod adam;
mod graph;
mod network;
mod oracle;
mod random;
mod recipe;
mod tape;
mod text;

pub use graph::takes_samples;
pub use oracle::Oracle;
pub use recipe::{Figures, Recipe, Surrogate, Valid, train};
pub use text::{TextOracle, TextSurrogate, train_on_texts};

/// A surrogate that could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} samples are too few to train a surrogate on: {least} or more are needed", least = recipe::LEAST)]
    TooFew(usize),
    #[error("the target's answers to {0} of {1} samples are not finite")]
    NotFinite(usize, usize),
    #[error(
        "a sample of shape {0:?}: surrogates are trained on images, channels x height x width, or on features"
    )]
    Shape(Vec<usize>),
    #[error("interrupted while the surrogate was trained")]
    Interrupted,
    #[error(transparent)]
    Target(#[from] scoville_targets::Error),
    #[error(transparent)]
    Kernel(#[from] scoville_kernels::Error),
    #[error(transparent)]
    Runtime(#[from] scoville_runtime::Error),
    #[error("{0} queries about texts: at most {1} are made for a surrogate of them")]
    TooMany(usize, usize),
    #[error("the texts have no words to learn from")]
    NoWords,
    #[error(transparent)]
    Tokenizer(#[from] scoville_text::TokenizerError),
    #[error(transparent)]
    Graph(#[from] scoville_onnx::Error),
}
