//! A convolutional network as one step of a backend's tape.

pub(crate) mod gpu;
pub(crate) mod host;

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_convnet::{Layer, Layout};
use scoville_kernels::ConvNet;

use crate::Fault;

/// A network that is ready to run on the backend `B`.
pub(crate) trait Run<B: Backend>: Send + Sync {
    /// Runs the batch `x`; the result has the shape `shape`.
    fn run(&self, x: FloatTensor<B>, shape: &[usize]) -> Result<FloatTensor<B>, Fault>;

    /// The network itself, where it runs on arrays on a GPU.
    fn on_arrays(&self) -> Option<&ConvNet> {
        None
    }

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
