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
use scoville_kernels::{Array, Device, Error};

use super::{Back, Make, OnArrays, Run};
use crate::Fault;
use crate::step::Host;

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

impl OnArrays for Arc<Net> {
    fn forward(&self, x: &Array) -> Result<Array, Error> {
        let (out, _) = Net::forward(self, elements(x)?, false);
        Array::from_vec(&Device::Cpu, x.rows(), self.outputs(), out)
    }

    fn record(&self, x: &Array) -> Result<(Array, Back<'_>), Error> {
        let (rows, cols) = (x.rows(), x.cols());
        let (out, tape) = Net::forward(self, elements(x)?, true);
        let out = Array::from_vec(&Device::Cpu, rows, self.outputs(), out)?;
        let tape = tape.ok_or_else(|| Error::Device {
            doing: "recording a forward pass".into(),
            reason: "it left no tape".into(),
        })?;
        let back = move |by_output: &Array| {
            let by_input = self.backward(&tape, elements(by_output)?);
            Array::from_vec(&Device::Cpu, rows, cols, by_input)
        };
        Ok((out, Box::new(back)))
    }
}

fn elements(array: &Array) -> Result<&[f32], Error> {
    let kernel = "a network on the CPU";
    array.as_slice().ok_or(Error::DeviceMismatch { kernel })
}

impl Run<Host> for Arc<Net> {
    fn run(&self, x: FloatTensor<Host>, shape: &[usize]) -> Result<FloatTensor<Host>, Fault> {
        let from = x.shape().to_vec();
        let prepared = Step.prepare::<NoCheckpointing>([x.node()]).compute_bound();
        let x = contiguous(x.into_primitive());
        let no_floats = || Fault::Backend(format!("a network reads {:?}", x.dtype()));
        let values = x.as_slice().ok_or_else(no_floats)?;
        Ok(match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let (out, tape) = Net::forward(self, values, true);
                let state = State {
                    net: self.clone(),
                    tape: tape.map(Arc::new),
                    shape: from,
                };
                prepared.finish(state, tensor(out, shape))
            }
            OpsKind::UnTracked(prepared) => {
                let (out, _) = Net::forward(self, values, false);
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

/// The tensor with its elements in row order, as [`FlexTensor::as_slice`] wants them: no copy where they are.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    match tensor.is_contiguous() {
        true => tensor,
        false => tensor.to_contiguous(),
    }
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
            let by_output = contiguous(by_output);
            let by_output = by_output.as_slice().unwrap_or_default();
            let by_input = tape.map(|tape| net.backward(&tape, by_output));
            tensor(by_input.unwrap_or_default(), &shape)
        });
    }
}
