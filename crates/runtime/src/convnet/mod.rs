//! A convolutional network as one step of a backend's tape.

pub(crate) mod gpu;
pub(crate) mod host;

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_convnet::Layer;
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

/// Packs layers over samples of so many channels, rows and columns, or says why the backend cannot.
pub(crate) type Make<'a, B> = &'a dyn Fn([usize; 3], Vec<Layer>) -> Result<Box<dyn Run<B>>, String>;
