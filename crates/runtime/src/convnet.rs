//! A convolutional network as one step of the host's tape.

use std::fmt;
use std::sync::Arc;

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::ops::FloatTensorOps;
use burn_backend::tensor::FloatTensor;
use burn_backend::{TensorData, TensorMetadata};
use burn_flex::{Flex, FlexDevice, FlexTensor};
use scoville_convnet::{Net, Tape};

use crate::Fault;
use crate::step::Host;
use crate::value::read;

/// Runs `net` on the batch `x`; the result has the shape `shape`.
pub(crate) fn run(
    net: &Arc<Net>,
    x: FloatTensor<Host>,
    shape: &[usize],
) -> Result<FloatTensor<Host>, Fault> {
    let from = x.shape().to_vec();
    let prepared = Step.prepare::<NoCheckpointing>([x.node()]).compute_bound();
    let values = read::<Flex>(x.into_primitive())?;
    Ok(match prepared.stateful() {
        OpsKind::Tracked(prepared) => {
            let (out, tape) = net.forward(&values, true);
            let state = State {
                net: net.clone(),
                tape: tape.map(Arc::new),
                shape: from,
            };
            prepared.finish(state, tensor(out, shape))
        }
        OpsKind::UnTracked(prepared) => {
            let (out, _) = net.forward(&values, false);
            prepared.finish(tensor(out, shape))
        }
    })
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    Flex::float_from_data(TensorData::new(values, shape.to_vec()), &FlexDevice)
}

#[derive(Debug)]
struct Step;

/// What the backward pass needs.
#[derive(Clone)]
struct State {
    net: Arc<Net>,
    tape: Option<Arc<Tape>>,
    /// Of the input.
    shape: Vec<usize>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a convolutional network on {:?}", self.shape)
    }
}

impl Backward<Flex, 1> for Step {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { net, tape, shape } = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |by_output| {
            let by_output = read::<Flex>(by_output).unwrap_or_default();
            let by_input = tape.map(|tape| net.backward(&tape, &by_output));
            tensor(by_input.unwrap_or_default(), &shape)
        });
    }
}
