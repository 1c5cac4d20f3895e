//! A convolutional network on a GPU.

use std::fmt;
use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::TensorMetadata;
use burn_backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use scoville_convnet::Layer;
use scoville_kernels::convnet::{ConvNet, Tape};
use scoville_kernels::{Array, Bridge, Device, Error};

use super::{Back, OnArrays, Run};
use crate::Fault;

/// Burn on a GPU, with the tape.
pub(crate) type Gpu = Autodiff<CubeBackend>;

/// Packs `layers` for the GPU `device`.
pub(crate) fn make(
    device: &Device,
    input: [usize; 3],
    layers: &[Layer],
) -> Result<Box<dyn Run<Gpu>>, String> {
    let net = ConvNet::new(device, input, layers).map_err(|error| error.to_string())?;
    Ok(Box::new(Arc::new(net)))
}

impl OnArrays for Arc<ConvNet> {
    fn forward(&self, x: &Array) -> Result<Array, Error> {
        Ok(ConvNet::forward(self, x)?.0)
    }

    fn record(&self, x: &Array) -> Result<(Array, Back<'_>), Error> {
        let (out, tape) = ConvNet::forward(self, x)?;
        let back = move |by_output: &Array| self.backward(&tape, by_output);
        Ok((out, Box::new(back)))
    }
}

impl Run<Gpu> for Arc<ConvNet> {
    fn run(&self, x: FloatTensor<Gpu>, shape: &[usize]) -> Result<FloatTensor<Gpu>, Fault> {
        let from = x.shape().to_vec();
        let prepared = Step.prepare::<NoCheckpointing>([x.node()]).compute_bound();
        let samples = matrix(x.into_primitive())?;
        let (out, tape) = ConvNet::forward(self, &samples)?;
        let out = CubeBackend::take(out, shape)?;
        Ok(match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let state = State {
                    net: self.clone(),
                    tape: Arc::new(tape),
                    shape: from,
                };
                prepared.finish(state, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        })
    }

    fn tape_bytes(&self) -> usize {
        ConvNet::tape_bytes(self)
    }

    fn work_bytes(&self, samples: usize) -> usize {
        ConvNet::work_bytes(self, samples)
    }
}

/// A tensor of any rank, one sample a row.
fn matrix(x: CubeTensor) -> Result<Array, Error> {
    let shape = x.shape();
    let rows = shape.to_vec().first().copied().unwrap_or(1);
    let cols = shape.num_elements().checked_div(rows).unwrap_or(0);
    CubeBackend::export(x, rows, cols)
}

#[derive(Debug)]
struct Step;

/// What the backward pass needs.
#[derive(Clone)]
struct State {
    net: Arc<ConvNet>,
    tape: Arc<Tape>,
    /// Of the input.
    shape: Vec<usize>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a convolutional network on {:?}", self.shape)
    }
}

impl Backward<CubeBackend, 1> for Step {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { net, tape, shape } = ops.state;
        unary::<CubeBackend, _>(ops.parents, ops.node, gradients, |by_output| {
            let by_input = matrix(by_output)
                .and_then(|by_output| net.backward(&tape, &by_output))
                .and_then(|by_input| CubeBackend::take(by_input, &shape));
            // The tape has no way to return an error; the engine catches this as it catches burn's own panics.
            by_input.unwrap_or_else(|error| panic!("{error}"))
        });
    }
}
