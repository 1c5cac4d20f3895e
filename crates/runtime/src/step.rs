//! One node of a graph, parsed: its operator and where its inputs and outputs lie.

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use burn_backend::{Backend, Shape};
use burn_flex::{Flex, FlexDevice};
use scoville_onnx::{DType, Node};

use crate::ops::layer::AsLayer;
use crate::ops::random::Noise;
use crate::ops::samples::Samples;
use crate::ops::{self, Context, Gradient, Operator, Registry};
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Value, Values, is_float, on_device, read};
use crate::{Error, Fault};

/// Index of a value of the graph.
pub(crate) type Slot = usize;

/// Where values that do not depend on the model's input are computed.
pub(crate) type Host = Autodiff<Flex>;

/// Most elements that are computed before a run, to be known.
pub(crate) const MAX_COMPUTED: usize = 1 << 16;
/// Most axes of a tensor, as in a file.
const MAX_AXES: usize = 64;
/// Most strings that are moved before a run: there is no other time for it.
const MAX_STRINGS: usize = 1 << 20;

/// The operators of a backend and of the host.
pub(crate) struct Registries<B: Backend> {
    device: Registry<B>,
    host: Registry<Host>,
}

impl<B: Backend> Registries<B> {
    pub fn new() -> Registries<B> {
        Registries {
            device: Registry::new(),
            host: Registry::new(),
        }
    }
}

/// A node that is ready to run.
pub(crate) struct Step<B: Backend> {
    /// The node's name, for errors.
    pub node: String,
    pub op: String,
    operator: Box<dyn Operator<B>>,
    host: Box<dyn Operator<Host>>,
    /// What it does to the gradient, whatever its inputs.
    pub gradient: Gradient,
    /// What it is to a convolutional network.
    pub layer: Option<AsLayer>,
    /// The node's place in the graph.
    pub index: usize,
    /// `None` for an optional input that is left out.
    pub inputs: Vec<Option<Slot>>,
    /// `None` for an optional output that nobody reads.
    pub outputs: Vec<Option<Slot>>,
}

impl<B: Backend> Step<B> {
    /// Parses `node`, the graph's `index`th; the values it names get slots.
    pub fn parse(
        index: usize,
        node: &Node,
        context: &Context,
        registries: &Registries<B>,
        slots: &mut Slots,
    ) -> Result<Self, Error> {
        let fault = |fault| Error::node(node, "its attributes", fault);
        let unsupported = || fault(Fault::Unsupported("this operator".into()));
        let row = registries.device.find(node).ok_or_else(unsupported)?;
        let host = registries.host.find(node).ok_or_else(unsupported)?;
        let mut slot = |name: &String| (!name.is_empty()).then(|| slots.of(name));
        Ok(Step {
            node: node.name.clone(),
            op: ops::qualified(node),
            operator: (row.parse)(node, context).map_err(fault)?,
            host: (host.parse)(node, context).map_err(fault)?,
            gradient: row.gradient,
            layer: row.layer,
            index,
            inputs: node.inputs.iter().map(&mut slot).collect(),
            outputs: node.outputs.iter().map(&mut slot).collect(),
        })
    }

    /// What is known of the inputs, out of what is known of every value.
    pub fn facts(&self, facts: &[Option<Fact>]) -> Result<Facts, Error> {
        let inputs = self
            .inputs
            .iter()
            .map(|slot| facts.get((*slot)?).cloned().flatten());
        let inputs = Facts(inputs.collect());
        match self
            .inputs
            .iter()
            .zip(&inputs.0)
            .position(|(slot, fact)| slot.is_some() != fact.is_some())
        {
            Some(index) => {
                let what = "is an optional output that no operator here computes";
                Err(self.fault(inputs.to_string(), Fault::Input { index, what }))
            }
            None => Ok(inputs),
        }
    }

    /// What the outputs will be. What depends on known elements alone is computed here, and known.
    pub fn infer(&self, inputs: Facts) -> Result<Vec<Fact>, Error> {
        infer(self.host.as_ref(), &inputs).map_err(|fault| self.fault(inputs.to_string(), fault))
    }

    /// Whether it draws random numbers.
    pub fn is_random(&self) -> bool {
        self.operator.noise().is_some()
    }

    /// Draws again what was drawn first.
    pub fn rewind(&self) {
        self.operator.noise().into_iter().for_each(Noise::rewind);
    }

    /// Whether it only moves elements.
    pub fn moves(&self) -> bool {
        self.host.moves(0)
    }

    /// Takes what stands for the operator where a fixed batch is lifted.
    pub fn lift(&mut self) {
        if let (Some(operator), Some(host)) = (self.operator.lifted(), self.host.lifted()) {
            (self.operator, self.host) = (operator, host);
        }
    }

    /// Where the samples of a batch lie in the outputs; `None` unless none can reach another.
    pub fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        if samples.iter().all(Option::is_none) {
            return Some(vec![None; outputs.len()]);
        }
        self.host.samples(samples, inputs, outputs)
    }

    /// The outputs; what was known at inference stays on the host.
    pub fn run(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<Value<B>>, Error> {
        run(self.operator.as_ref(), inputs, outputs).map_err(|fault| self.fault_of(fault))
    }

    /// What it does to the gradient, where it makes `outputs` of `inputs`.
    pub fn gradient(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Gradient {
        let (Some(Some(x)), Some(y)) = (inputs.first(), outputs.first()) else {
            return self.gradient;
        };
        match self.op.as_str() {
            "Cast" | "CastLike" if x.is_float() && y.dtype == DType::Bool => Gradient::Zero,
            "Cast" | "CastLike" if x.is_float() && !y.is_float() => Gradient::Stepped,
            _ => self.gradient,
        }
    }

    /// What went wrong in a run.
    pub fn fault_of(&self, fault: Fault) -> Error {
        self.fault("its inputs".into(), fault)
    }

    fn fault(&self, inputs: String, fault: Fault) -> Error {
        let (node, op) = (self.node.clone(), self.op.clone());
        Error::Node {
            node,
            op,
            inputs,
            fault: Box::new(fault),
        }
    }
}

/// Infers the outputs of `operator`, and computes them where all inputs are known.
pub(crate) fn infer(operator: &dyn Operator<Host>, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
    let outputs = operator.infer(inputs)?;
    outputs.iter().try_for_each(|fact| check(fact.shape()))?;
    let small = outputs.iter().all(|fact| {
        let shape = fact.shape().iter();
        let mut shape = shape.scan(1usize, |n, &size| {
            *n = n.saturating_mul(size);
            Some(*n)
        });
        let most = match fact.dtype {
            DType::String => MAX_STRINGS,
            _ => MAX_COMPUTED,
        };
        fact.shape().contains(&0) || shape.all(|n| n <= most)
    });
    let known = |fact: &Option<Fact>| fact.as_ref().is_none_or(Fact::is_known);
    if !small
        || operator.noise().is_some()
        || outputs.iter().all(Fact::is_known)
        || !inputs.0.iter().all(known)
    {
        return Ok(outputs);
    }
    let moved = |i: usize| operator.moves(i) && inputs.get(i).is_some_and(|f| !f.is_float());
    if (0..inputs.len()).any(moved) {
        return move_elements(operator, inputs, &outputs);
    }
    let values = Values {
        inputs: inputs
            .0
            .iter()
            .cloned()
            .map(|f| f.map(Value::known))
            .collect(),
        device: &FlexDevice,
        stand_ins: false,
    };
    run(operator, values, &outputs)?
        .into_iter()
        .map(|value| match (value.tensor, value.fact) {
            (Some(tensor), fact) => known_elements(fact, read::<Host>(tensor)?),
            (None, fact) => Ok(fact),
        })
        .collect()
}

/// Refuses what is no shape of a tensor. Zeros are left out, so that no later product of sizes can
/// overflow.
fn check(shape: &[usize]) -> Result<(), Fault> {
    if shape.len() > MAX_AXES {
        let what = format!("a tensor of {} axes", shape.len());
        return Err(Fault::Unsupported(what));
    }
    let sizes: Vec<usize> = shape.iter().copied().filter(|&size| size > 0).collect();
    match isize::try_from(ops::count(&sizes)?) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::shape(format!("the size of {shape:?} overflows"))),
    }
}

/// Runs `operator`, but not for what is known or empty.
fn run<B: Backend>(
    operator: &dyn Operator<B>,
    inputs: Values<B>,
    outputs: &[Fact],
) -> Result<Vec<Value<B>>, Fault> {
    if outputs.iter().all(Fact::is_known) {
        return Ok(outputs.iter().cloned().map(Value::known).collect());
    }
    if outputs.iter().all(|fact| fact.shape().contains(&0)) {
        return Ok(outputs.iter().map(empty).collect());
    }
    let tensors = operator.forward(inputs, outputs)?;
    Ok(tensors
        .into_iter()
        .zip(outputs)
        .map(|(tensor, fact)| match fact.is_known() {
            true => Value::known(fact.clone()),
            false if fact.shape().contains(&0) => empty(fact),
            false if fact.shape().is_empty() => {
                let shape = Shape::from(on_device(fact.shape()));
                Value::new(fact.clone(), B::float_reshape(tensor, shape))
            }
            false => Value::new(fact.clone(), tensor),
        })
        .collect())
}

/// The value of a fact without elements.
fn empty<B: Backend>(fact: &Fact) -> Value<B> {
    let elements = match fact.dtype {
        dtype if is_float(dtype) => Elements::Float(Vec::new()),
        DType::String => Elements::Text(Vec::new()),
        _ => Elements::Int(Vec::new()),
    };
    Value::known(Fact::known(fact.dtype, fact.shape().to_vec(), elements))
}

fn known_elements(fact: Fact, values: Vec<f32>) -> Result<Fact, Fault> {
    let shape = fact.shape().to_vec();
    if fact.dtype == DType::String {
        // The numbers of class labels: what they stand for is not known here.
        return Ok(fact);
    }
    if is_float(fact.dtype) {
        return Ok(Fact::known(fact.dtype, shape, Elements::Float(values)));
    }
    if values
        .iter()
        .any(|value| value.is_nan() || value.abs() > MAX_EXACT as f32)
    {
        return Err(Fault::Unsupported("integers beyond 2^24 here: it".into()));
    }
    let values = values.into_iter().map(|value| value as i64).collect();
    Ok(Fact::known(fact.dtype, shape, Elements::Int(values)))
}

/// Moves known integers or text: the operator runs on the elements' positions, counted from 1 over
/// all moved inputs; position 0 is the zero that an operator fills with.
fn move_elements(
    operator: &dyn Operator<Host>,
    inputs: &Facts,
    outputs: &[Fact],
) -> Result<Vec<Fact>, Fault> {
    let mut pool: Vec<&Fact> = Vec::new();
    let mut count = 1;
    let mut values = Vec::new();
    for (i, fact) in inputs.0.iter().enumerate() {
        values.push(match fact {
            Some(fact) if operator.moves(i) => {
                let positions = (count..count + fact.len()).map(|p| p as f32).collect();
                pool.push(fact);
                count += fact.len();
                let fact = Fact::floats(fact.shape().to_vec(), positions);
                Some(Value::known(fact))
            }
            fact => fact.clone().map(Value::known),
        });
    }
    if count as i64 > MAX_EXACT {
        return Err(Fault::Unsupported(
            "more than 2^24 integers here: it".into(),
        ));
    }
    let positions: Vec<Fact> = outputs
        .iter()
        .map(|fact| Fact::float(fact.shape().to_vec()))
        .collect();
    let values = Values {
        inputs: values,
        device: &FlexDevice,
        stand_ins: false,
    };
    let moved = run(operator, values, &positions)?;
    moved
        .into_iter()
        .zip(outputs)
        .map(|(value, fact)| {
            let positions = match value.tensor {
                Some(tensor) => read::<Host>(tensor)?,
                None => Vec::new(),
            };
            let elements = pick(&pool, &positions, fact.dtype)?;
            Ok(Fact::known(fact.dtype, fact.shape().to_vec(), elements))
        })
        .collect()
}

/// The elements at `positions` of the pooled inputs.
fn pick(pool: &[&Fact], positions: &[f32], dtype: DType) -> Result<Elements, Fault> {
    let lost = || Fault::Unsupported("inputs of several types: it".into());
    let positions = positions.iter().map(|&position| position as usize);
    if dtype == DType::String {
        let all = pool.iter().map(|fact| fact.known_text());
        let all: Vec<&[String]> = all.collect::<Option<_>>().ok_or_else(lost)?;
        let all: Vec<&String> = all.into_iter().flatten().collect();
        let text = |p: usize| p.checked_sub(1).and_then(|p| all.get(p)).copied().cloned();
        return Ok(Elements::Text(
            positions.map(|p| text(p).unwrap_or_default()).collect(),
        ));
    }
    let all = pool.iter().map(|fact| fact.known_ints());
    let all: Vec<&[i64]> = all.collect::<Option<_>>().ok_or_else(lost)?;
    let all: Vec<i64> = std::iter::once(0)
        .chain(all.into_iter().flatten().copied())
        .collect();
    let values = positions.map(|p| all.get(p).copied());
    Ok(Elements::Int(
        values.collect::<Option<_>>().ok_or_else(lost)?,
    ))
}

/// Numbers the values of a graph.
#[derive(Default)]
pub(crate) struct Slots {
    /// The name of each slot.
    pub names: Vec<String>,
    by_name: BTreeMap<String, Slot>,
}

impl Slots {
    /// The slot of the value `name`.
    pub fn of(&mut self, name: &str) -> Slot {
        if let Some(&slot) = self.by_name.get(name) {
            return slot;
        }
        self.names.push(name.into());
        self.by_name.insert(name.into(), self.names.len() - 1);
        self.names.len() - 1
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }
}
