//! What an attacker can reach. Access is a type: [`Labels`] (top-1 only), [`Scores`] (logits) and [`Gradients`]
//! (input gradient of a loss), each adding to the last. An attack asks for the least that it needs, so what the
//! attacker can reach decides by the type which attacks run.
//!
//! Every call goes through [`Metered`], which counts samples, not calls: a batch of 128 is 128 queries.

mod ensemble;
mod meter;
mod model;
mod spec;
pub mod text;

use scoville_kernels::{Array, Device, Loss};
use scoville_runtime::Model;

pub use ensemble::Ensemble;
pub use meter::{Metered, Spent};
pub use model::ModelTarget;
pub use scoville_runtime::{TreeNode, Trees};
pub use spec::{SpecError, TargetSpec, TextSpec};
pub use text::TextTarget;

/// A target did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Runtime(#[from] scoville_runtime::Error),
    #[error(transparent)]
    Kernel(#[from] scoville_kernels::Error),
    /// A model that reads text itself has no table of tokens.
    #[error(
        "the model has no embedding of tokens to take gradients by; it takes one that reads token ids"
    )]
    NoEmbedding,
    #[error(
        "the tokenizer gives ids up to {most}, the model's embedding has {rows} rows; check [text] in target.toml"
    )]
    Ids { most: u32, rows: usize },
    /// The target shows nothing of its inside.
    #[error(
        "the model shows no inner layer to attack; several surrogates together have none: name one"
    )]
    Closed,
    /// A run was not told what it asked together with others.
    #[error("a run beside this one failed while it asked the model for both")]
    Unanswered,
}

impl Error {
    /// Whether a smaller batch may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::Runtime(error) => error.is_out_of_memory(),
            Error::Kernel(error) => error.is_out_of_memory(),
            Error::NoEmbedding | Error::Ids { .. } | Error::Closed | Error::Unanswered => false,
        }
    }
}

/// A target that is a model on a device of this machine.
pub trait OnDevice {
    fn model(&self) -> &Model;

    /// Whether it draws random numbers, anew at every run.
    fn is_random(&self) -> bool {
        self.model().is_random()
    }
}

/// Top-1 labels: what an API that names only the winner gives away.
pub trait Labels {
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Shape of one sample in pixel space, `[channels, height, width]` or `[features]`.
    fn sample_shape(&self) -> &[usize];
    /// Where arrays given to this target must lie.
    fn device(&self) -> &Device;
    /// The predicted class of each row of `x` (`n x sample_len`), as `n x 1`; `u32::MAX` where an output was not finite.
    fn labels(&self, x: &Array) -> Result<Array<u32>, Error>;
}

/// Logits, or probabilities where the model ends in them.
pub trait Scores: Labels {
    /// The scores of each row of `x`, as `n x classes`.
    fn scores(&self, x: &Array) -> Result<Array, Error>;
}

/// The gradient of a loss with respect to the input.
pub trait Gradients: Scores {
    /// `loss` at the labels `y` (`n x 1`; for a targeted loss `n x 2`, label and target) and its gradient with respect to
    /// each row of `x`.
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error>;

    /// The gradient with respect to each row of `x` of the Kullback-Leibler divergence of the probabilities there from those
    /// at the same row of `from`. A gradient evaluation and a query.
    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error>;

    /// The decision trees that the target consists of, if it does: whoever reaches gradients reaches the model, and
    /// through trees there are none.
    fn trees(&self) -> Option<&Trees> {
        None
    }

    /// The target's inside, if it shows one.
    fn inside(&self) -> Option<&dyn Features> {
        None
    }
}

/// What makes the derivative by features (n x features) of features.
pub type ByFeatures<'a> = &'a mut dyn FnMut(&Array) -> Result<Array, scoville_kernels::Error>;

/// An inner layer of a target.
pub trait Features {
    /// The features of each row of `x`, as `n x features`.
    fn features(&self, x: &Array) -> Result<Array, Error>;

    /// The derivative by each row of `x`, as `n x sample_len`, of what `by` derives by the features.
    fn features_gradient(&self, x: &Array, by: ByFeatures<'_>) -> Result<Array, Error>;
}

/// One evaluation of a loss and its gradient on a batch.
pub struct Evaluation {
    /// The loss of each sample, `n x 1`.
    pub loss: Array,
    /// The predicted class of each sample, `n x 1`.
    pub predicted: Array<u32>,
    /// d loss / d x, `n x sample_len`.
    pub gradient: Array,
}
