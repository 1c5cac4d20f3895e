//! A convolutional network as one step of a backend's tape, or as all of a model.

pub(crate) mod gpu;
pub(crate) mod host;

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_convnet::{Layer, Layout};
use scoville_kernels::{Array, Error};

use crate::Fault;

/// A network that runs on arrays as they are, one sample a row, without a backend's tensors.
pub(crate) trait OnArrays {
    fn forward(&self, x: &Array) -> Result<Array, Error>;

    /// The same, and the way back.
    fn record(&self, x: &Array) -> Result<(Array, Back<'_>), Error>;
}

/// From the derivative by the outputs to the one by the inputs.
pub(crate) type Back<'a> = Box<dyn FnOnce(&Array) -> Result<Array, Error> + 'a>;

/// A network that is ready to run on the backend `B`.
pub(crate) trait Run<B: Backend>: OnArrays + Send + Sync {
    /// Runs the batch `x`; the result has the shape `shape`.
    fn run(&self, x: FloatTensor<B>, shape: &[usize]) -> Result<FloatTensor<B>, Fault>;

    /// Bytes that the tape takes for a sample.
    fn tape_bytes(&self) -> usize;

    /// Bytes that running `samples` takes, beside inputs, outputs and tape.
    fn work_bytes(&self, samples: usize) -> usize;
}

/// Packs layers over samples of so many channels, rows and columns, given and taken in these layouts; or says why not.
type Pack<'a, B> =
    &'a dyn Fn([usize; 3], Vec<Layer>, [Layout; 2]) -> Result<Box<dyn Run<B>>, String>;

/// How a backend makes a network.
pub(crate) struct Make<'a, B: Backend> {
    pub pack: Pack<'a, B>,
    /// Whether channels may come last at its ends.
    pub last: bool,
}
