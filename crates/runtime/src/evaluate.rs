//! One run of any graph on the CPU: any number of inputs and outputs, of any type.

use std::collections::BTreeMap;

use burn_flex::FlexDevice;
use scoville_kernels::Device;
use scoville_onnx::{DType, Data, Graph, Tensor};

use crate::network::contained;
use crate::program::Program;
use crate::step::Host;
use crate::value::{Elements, Fact, Value, read, upload};
use crate::{Error, prune};

/// Which inputs are known before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Floats are computed with, integers and text known: they may be shapes, axes or indices.
    Floats,
    /// All inputs of numbers are computed with, as a model's input is.
    Numbers,
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
    let graph = prune::supported(graph)?;
    let facts = graph.inputs.iter().map(|port| {
        let missing = || Error::Interface {
            port: format!("input {}", port.name),
            what: "nothing is given for it".into(),
        };
        let tensor = inputs.get(&port.name).ok_or_else(missing)?;
        Fact::of_tensor(tensor).ok_or_else(|| Error::Constant {
            tensor: port.name.clone(),
            dtype: tensor.dtype().to_string(),
        })
    });
    let facts: Vec<Fact> = facts.collect::<Result<_, Error>>()?;
    contained("the evaluation", || {
        let limit = Device::Cpu.memory_limit();
        let program = Program::<Host>::compile(&graph, &FlexDevice, limit)?;
        let computed = |fact: &Fact| {
            let kind = fact.is_float() || feed == Feed::Numbers;
            kind && fact.dtype != DType::String && fact.len() > 0
        };
        let values = facts.iter().map(|fact| match computed(fact) {
            true => Ok(Value::new(
                fact.with_shape(fact.shape().to_vec()),
                upload::<Host>(fact, &FlexDevice).map_err(|what| Error::Interface {
                    port: "an input".into(),
                    what: what.into(),
                })?,
            )),
            false => Ok(Value::known(fact.clone())),
        });
        let values: Vec<Value<Host>> = values.collect::<Result<_, Error>>()?;
        let feeds = values.iter().map(|value| value.fact.clone()).collect();
        let targets: Vec<&str> = graph
            .outputs
            .iter()
            .map(|port| port.name.as_str())
            .collect();
        let plan = program.plan(feeds, &targets)?;
        let outputs = program.run(&plan, values)?;
        outputs.into_iter().map(tensor).collect()
    })
}

fn tensor(value: Value<Host>) -> Result<Tensor, Error> {
    let shape = value.fact.shape().to_vec();
    let failed = |fault: crate::Fault| Error::Backend {
        during: "reading an output",
        message: fault.to_string(),
    };
    let elements = match (value.fact.elements(), value.tensor) {
        (Some(elements), _) => elements.clone(),
        (None, _) if value.fact.dtype == DType::String => {
            return Err(Error::Interface {
                port: "output of text".into(),
                what: "it depends on the model's input; read the scores, or export integer labels"
                    .into(),
            });
        }
        (None, Some(tensor)) => Elements::Float(read::<Host>(tensor).map_err(failed)?),
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
