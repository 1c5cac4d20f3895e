//! Steps that move: the gradient of something smooth stands for the one that an operator has not (BPDA, Athalye et al. 2018).

use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};

use crate::ops::Gradient;
use crate::ops::elementwise::mask::is_nan;

/// What is infinite does not move: a stand-in is cut to this magnitude.
pub(crate) const FAR: f32 = 1e30;

/// Through which operators gradients are taken by what stands for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StandIns {
    #[default]
    None,
    /// Those that round what a float operator computes.
    Quantised,
    /// All that go by steps.
    All,
}

impl StandIns {
    /// Whether an operator moves that does this to the gradient.
    pub fn cover(self, gradient: Gradient) -> bool {
        match self {
            StandIns::None => false,
            StandIns::Quantised => gradient == Gradient::Quantised,
            StandIns::All => true,
        }
    }
}

/// The values of `steps`, which move as `near` does, where there is one.
pub(crate) fn moving<B: Backend>(
    steps: FloatTensor<B>,
    near: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let Some(near) = near else {
        return steps;
    };
    let near = B::float_reshape(near, steps.shape());
    let near = B::float_clamp(near, (-FAR).into(), FAR.into());
    let near = B::float_mask_fill(near.clone(), is_nan::<B>(near), 0.0f32.into());
    let moves = B::float_sub(near.clone(), B::float_detach(near));
    B::float_add(steps, moves)
}
