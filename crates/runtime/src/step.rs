//! One node of a graph, parsed: its operator and where its inputs and outputs lie.

use std::collections::BTreeMap;

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::{self, Context, Operator};
use crate::value::{Fact, Facts, Value, Values};
use crate::{Error, Fault};

/// Index of a value of the graph.
pub(crate) type Slot = usize;

/// A node that is ready to run.
pub(crate) struct Step<B: Backend> {
    /// The node's name, for errors.
    pub node: String,
    op: String,
    operator: Box<dyn Operator<B>>,
    /// `None` for an optional input that is left out.
    pub inputs: Vec<Option<Slot>>,
    /// `None` for an optional output that nobody reads.
    pub outputs: Vec<Option<Slot>>,
    /// A Reshape in which a target of 0 means the size of the input.
    pub copies_sizes: bool,
}

impl<B: Backend> Step<B> {
    /// Parses `node`; the values it names get slots.
    pub fn parse(node: &Node, context: &Context, slots: &mut Slots) -> Result<Self, Error> {
        let fault = |fault| Error::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            inputs: "its attributes".into(),
            fault: Box::new(fault),
        };
        let parse = ops::find::<B>(node)
            .ok_or_else(|| fault(Fault::Unsupported("this operator".into())))?;
        let mut slot = |name: &String| (!name.is_empty()).then(|| slots.of(name));
        Ok(Step {
            node: node.name.clone(),
            op: node.op.clone(),
            operator: parse(node, context).map_err(fault)?,
            inputs: node.inputs.iter().map(&mut slot).collect(),
            outputs: node.outputs.iter().map(&mut slot).collect(),
            copies_sizes: ops::reshape::copies_sizes(node),
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

    /// What the outputs will be.
    pub fn infer(&self, inputs: Facts) -> Result<Vec<Fact>, Error> {
        self.operator
            .infer(&inputs)
            .map_err(|fault| self.fault(inputs.to_string(), fault))
    }

    /// The outputs; integers were known at inference.
    pub fn run(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<Value<B>>, Error> {
        let known = outputs.iter().map(|fact| match fact {
            Fact::Int(ints) => Some(Value::Int(ints.clone())),
            Fact::Float(_) => None,
        });
        if let Some(known) = known.collect::<Option<Vec<_>>>() {
            return Ok(known);
        }
        let tensors = self
            .operator
            .forward(inputs, outputs)
            .map_err(|fault| self.fault("its inputs".into(), fault))?;
        Ok(tensors.into_iter().map(Value::Float).collect())
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
