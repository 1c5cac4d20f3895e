//! One run of any graph on the CPU: any number of inputs and outputs, of any type.

use std::collections::BTreeMap;

use burn_backend::ops::FloatTensorOps;
use burn_backend::{AutodiffBackend, Shape, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexDevice};
use scoville_kernels::Device;
use scoville_onnx::{DType, Data, Graph, Port, Tensor};

use crate::contained::contained;
use crate::ops::{self, Gradient};
use crate::program::{Plan, Program};
use crate::step::Host;
use crate::unroll::unroll;
use crate::value::{Elements, Fact, Value, read, upload};
use crate::{Error, Fault, prune};

/// Which inputs are known before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Floats are computed with, integers and text known: they may be shapes, axes or indices.
    Floats,
    /// All inputs of numbers are computed with, as a model's input is.
    Numbers,
    /// No input is: the whole graph is computed before the run.
    Nothing,
    /// The first input alone is: the others may be scales or regions.
    First,
}

/// Runs `graph` once on `inputs`, by name; the outputs come in the graph's order.
///
/// Floats of any precision are computed, and come out, as float32; integers and booleans come out as
/// int64 and bool.
pub fn evaluate(
    graph: Graph,
    inputs: &BTreeMap<String, Tensor>,
    feed: Feed,
) -> Result<Vec<Tensor>, Error> {
    contained("the evaluation", || {
        let run = Run::prepare(graph, inputs, feed)?;
        run.outputs(run.values.clone())?
            .into_iter()
            .map(tensor)
            .collect()
    })
}

/// The derivative of `sum(weight(i) * element i)`, over the elements of all float outputs, by each
/// float input, by name; `None` where no gradient reaches an input.
pub fn differentiate(
    graph: Graph,
    inputs: &BTreeMap<String, Tensor>,
    weight: fn(usize) -> f32,
) -> Result<BTreeMap<String, Option<Vec<f32>>>, Error> {
    contained("the derivative", || {
        let run = Run::prepare(graph, inputs, Feed::Floats)?;
        let mut values = run.values.clone();
        let mut leaves = Vec::new();
        for (port, value) in run.graph.inputs.iter().zip(&mut values) {
            if let Some(tensor) = value.tensor.take() {
                let leaf = Host::float_set_require_grad(tensor, true);
                value.tensor = Some(leaf.clone());
                leaves.push((port.name.clone(), leaf));
            }
        }
        let outputs = run.outputs(values)?;
        let floats = outputs.into_iter().filter(|value| value.fact.is_float());
        let floats: Vec<_> = floats.filter_map(|value| value.tensor).collect();
        let flat = floats.into_iter().map(|tensor| {
            let len = tensor.shape().num_elements();
            Host::float_reshape(tensor, Shape::from([len]))
        });
        let flat: Vec<_> = flat.collect();
        if flat.is_empty() {
            return Ok(leaves.into_iter().map(|(name, _)| (name, None)).collect());
        }
        let all = Host::float_cat(flat, 0);
        let len = all.shape().num_elements();
        let weights = TensorData::new((0..len).map(weight).collect::<Vec<f32>>(), [len]);
        let weights = Host::float_from_data(weights, &FlexDevice);
        let mut gradients = Host::backward(Host::float_mul(all, weights));
        let read = |(name, leaf)| {
            let gradient = Host::grad_remove(&leaf, &mut gradients);
            let gradient = gradient.map(read::<Flex>).transpose().map_err(unreadable)?;
            Ok((name, gradient))
        };
        leaves.into_iter().map(read).collect()
    })
}

/// Whether a gradient passes through the operator `name`; `None` where it is not implemented.
pub fn passes_gradient(name: &str) -> Option<bool> {
    let gradient = ops::gradient(name)?;
    Some(gradient == Gradient::Exact)
}

/// A graph with inputs, ready to run.
struct Run {
    graph: Graph,
    program: Program<Host>,
    plan: Plan,
    values: Vec<Value<Host>>,
}

impl Run {
    fn prepare(graph: Graph, inputs: &BTreeMap<String, Tensor>, feed: Feed) -> Result<Run, Error> {
        let graph = prune::prune(graph)?;
        let ports = graph.inputs.iter().enumerate();
        let values = ports.map(|(i, port)| match (feed, i) {
            (Feed::First, 0) => value(port, inputs, Feed::Floats),
            (Feed::First, _) => value(port, inputs, Feed::Nothing),
            _ => value(port, inputs, feed),
        });
        let values: Vec<Value<Host>> = values.collect::<Result<_, Error>>()?;
        let feeds: Vec<Fact> = values.iter().map(|value| value.fact.clone()).collect();
        let mut graph = prune::prune(unroll(graph, &feeds)?)?;
        let limit = Device::Cpu.memory_limit();
        let program = Program::<Host>::compile(&mut graph, &FlexDevice, limit)?;
        let outputs = graph.outputs.iter().map(|port| port.name.as_str());
        let plan = program.plan(feeds, &outputs.collect::<Vec<_>>())?;
        Ok(Run {
            graph,
            program,
            plan,
            values,
        })
    }

    fn outputs(&self, values: Vec<Value<Host>>) -> Result<Vec<Value<Host>>, Error> {
        self.program.run(&self.plan, values, false)
    }
}

/// What is fed to the input `port`.
fn value(port: &Port, inputs: &BTreeMap<String, Tensor>, feed: Feed) -> Result<Value<Host>, Error> {
    let refuse = |what: &str| Error::Interface {
        port: format!("input {}", port.name),
        what: what.into(),
    };
    let tensor = inputs
        .get(&port.name)
        .ok_or_else(|| refuse("nothing is given for it"))?;
    let fact = Fact::of_tensor(tensor).ok_or_else(|| Error::Constant {
        tensor: port.name.clone(),
        dtype: tensor.dtype().to_string(),
    })?;
    let computed = match feed {
        Feed::Floats => fact.is_float(),
        Feed::Numbers => fact.dtype != DType::String,
        Feed::Nothing | Feed::First => false,
    };
    if !computed || fact.len() == 0 {
        return Ok(Value::known(fact));
    }
    let tensor = upload::<Host>(&fact, &FlexDevice).map_err(refuse)?;
    Ok(Value::new(fact.with_shape(fact.shape().to_vec()), tensor))
}

fn unreadable(fault: Fault) -> Error {
    Error::Backend {
        during: "reading an output",
        message: fault.to_string(),
    }
}

fn tensor(value: Value<Host>) -> Result<Tensor, Error> {
    let shape = value.fact.shape().to_vec();
    let elements = match (value.fact.elements(), value.tensor) {
        (Some(elements), _) => elements.clone(),
        (None, _) if value.fact.dtype == DType::String => {
            return Err(Error::Interface {
                port: "output of text".into(),
                what: "it depends on the model's input; read the scores, or export integer labels"
                    .into(),
            });
        }
        (None, Some(tensor)) => Elements::Float(read::<Host>(tensor).map_err(unreadable)?),
        (None, None) => Elements::Float(Vec::new()),
    };
    let data = match (elements, value.fact.dtype) {
        (Elements::Text(text), _) => Data::String(text),
        (Elements::Int(values), DType::Bool) => {
            Data::Bool(values.into_iter().map(|v| v != 0).collect())
        }
        (Elements::Int(values), _) => Data::I64(values),
        (Elements::Float(values), DType::Bool) => {
            Data::Bool(values.into_iter().map(|v| v != 0.0).collect())
        }
        (Elements::Float(values), _) if value.fact.is_float() => Data::F32(values),
        (Elements::Float(values), _) => Data::I64(values.into_iter().map(|v| v as i64).collect()),
    };
    Ok(Tensor { shape, data })
}
