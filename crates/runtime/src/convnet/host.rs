//! A convolutional network on the CPU.

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
use scoville_convnet::{Layer, Layout, Net, Tape};

use super::{Make, Run};
use crate::Fault;
use crate::step::Host;
use crate::value::read;

/// Makes networks for the CPU.
pub(crate) const MAKE: Make<'static, Host> = Make {
    pack: &pack,
    last: true,
};

fn pack(
    input: [usize; 3],
    layers: Vec<Layer>,
    ends: [Layout; 2],
) -> Result<Box<dyn Run<Host>>, String> {
    let net = Net::with_layout(input, layers, ends).map_err(|error| error.to_string())?;
    Ok(Box::new(Arc::new(net)))
}

impl Run<Host> for Arc<Net> {
    fn run(&self, x: FloatTensor<Host>, shape: &[usize]) -> Result<FloatTensor<Host>, Fault> {
        let from = x.shape().to_vec();
        let prepared = Step.prepare::<NoCheckpointing>([x.node()]).compute_bound();
        let values = read::<Flex>(x.into_primitive())?;
        Ok(match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let (out, tape) = self.forward(&values, true);
                let state = State {
                    net: self.clone(),
                    tape: tape.map(Arc::new),
                    shape: from,
                };
                prepared.finish(state, tensor(out, shape))
            }
            OpsKind::UnTracked(prepared) => {
                let (out, _) = self.forward(&values, false);
                prepared.finish(tensor(out, shape))
            }
        })
    }

    fn tape_bytes(&self) -> usize {
        Net::tape_bytes(self)
    }

    fn work_bytes(&self, samples: usize) -> usize {
        Net::work_bytes(self, samples)
    }
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
