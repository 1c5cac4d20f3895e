//! The operators: one file each, in a folder for each family; one row each in the family's `rows`.
//!
//! An operator is parsed once from its node, infers the shapes of its outputs for every batch size
//! before anything runs (so that burn never sees shapes that do not fit), and then runs on a
//! backend.

mod attention;
pub(crate) mod broadcast;
mod elementwise;
mod image;
pub(crate) mod layer;
mod linear;
mod ml;
mod movement;
pub(crate) mod normalise;
pub(crate) mod part;
mod quantise;
pub(crate) mod random;
mod recurrent;
mod reduce;
pub(crate) mod samples;
#[cfg(test)]
mod samples_tests;
pub(crate) mod stand_in;
#[cfg(test)]
mod testing;
pub(crate) mod unary;
mod window;

use std::collections::{BTreeMap, HashMap};

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::{Graph, Node, Tensor};

pub(crate) use ml::class_trees;

use layer::AsLayer;
use random::Noise;
use samples::Samples;

use crate::step::Host;
use crate::value::{Fact, Facts, Values, on_device};
use crate::{Fault, unroll};

/// One operator with its attributes, ready to run on backend `B`.
pub(crate) trait Operator<B: Backend>: Send + Sync {
    /// What the outputs are for inputs of these facts. Whatever makes the shapes (axes, sizes,
    /// scales) must be known here. Outputs may be known too: then the operator never runs. An
    /// operator that leaves them open is run before the model's run where all inputs are known.
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault>;

    /// Runs on inputs that [`infer`](Self::infer) accepted; `outputs` is what it said. One tensor
    /// an output. Outputs that are empty, or known, are never asked for.
    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault>;

    /// Whether the elements of input `index` come out unchanged, in other places; then they may be
    /// integers of any size, or text. A place that no element reaches holds zero.
    fn moves(&self, _index: usize) -> bool {
        false
    }

    /// What stands for it where a fixed batch is lifted: the same wherever this one is defined, but
    /// it takes an input of one place along the batch for as many as there are. `None` for an
    /// operator that needs no other, or has none.
    fn lifted(&self) -> Option<Box<dyn Operator<B>>> {
        None
    }

    /// Where its random numbers come from, if it draws any: then it never runs before the run.
    fn noise(&self) -> Option<&Noise> {
        None
    }

    /// Where the samples of a batch lie in each output, given where they lie in each input of these
    /// facts (`None`: the input is the same for all samples, or absent). The answer is `None`
    /// unless it is certain that no sample's elements reach another's.
    fn samples(
        &self,
        _samples: &[Option<Samples>],
        _inputs: &Facts,
        _outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        None
    }
}

/// What an operator does to the gradient by its float inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gradient {
    /// It passes on its derivative.
    Exact,
    /// Its derivative is zero or undefined: no gradient passes.
    Zero,
    /// The same, but a smooth function near it can stand for it: see [`stand_in`].
    Stepped,
    /// The same, and that function is the float operator whose result it rounds.
    Quantised,
}

/// What an operator may look at beside its node while it is parsed.
pub(crate) struct Context<'a> {
    /// Version of the default domain.
    pub opset: i64,
    /// The graph's constants, for inputs that must be known at load.
    pub constants: &'a BTreeMap<String, Tensor>,
}

impl<'a> Context<'a> {
    pub fn new(graph: &'a Graph) -> Context<'a> {
        Context {
            opset: graph.opsets.get("").copied().unwrap_or(1),
            constants: &graph.constants,
        }
    }
}

type Parsed<B> = Result<Box<dyn Operator<B>>, Fault>;
type Parse<B> = fn(&Node, &Context) -> Parsed<B>;

/// A row of the registry.
pub(crate) struct Row<B: Backend> {
    /// With its domain, unless that is the default one.
    name: &'static str,
    pub parse: Parse<B>,
    pub gradient: Gradient,
    /// What it is to a convolutional network.
    pub layer: Option<AsLayer>,
}

impl<B: Backend> Row<B> {
    /// An operator that passes on its derivative.
    fn exact(name: &'static str, parse: Parse<B>) -> Row<B> {
        let gradient = Gradient::Exact;
        Row {
            name,
            parse,
            gradient,
            layer: None,
        }
    }

    /// The same, as a layer too.
    fn with_layer(mut self, layer: AsLayer) -> Row<B> {
        self.layer = Some(layer);
        self
    }

    /// An operator through which no gradient passes but that of its stand-in.
    fn stepped(name: &'static str, parse: Parse<B>) -> Row<B> {
        Row {
            gradient: Gradient::Stepped,
            ..Row::zero(name, parse)
        }
    }

    /// An operator that rounds what a float operator computes.
    fn quantised(name: &'static str, parse: Parse<B>) -> Row<B> {
        Row {
            gradient: Gradient::Quantised,
            ..Row::zero(name, parse)
        }
    }

    /// An operator through which no gradient passes.
    fn zero(name: &'static str, parse: Parse<B>) -> Row<B> {
        let gradient = Gradient::Zero;
        Row {
            name,
            parse,
            gradient,
            layer: None,
        }
    }
}

/// The registry: one row an operator, one module a family.
pub(crate) struct Registry<B: Backend>(HashMap<&'static str, Row<B>>);

impl<B: Backend> Registry<B> {
    pub fn new() -> Registry<B> {
        Registry(rows().map(|row| (row.name, row)).collect())
    }

    /// The row of `node`'s operator, if it is implemented.
    pub fn find(&self, node: &Node) -> Option<&Row<B>> {
        match node.domain.as_str() {
            "" | "ai.onnx" => self.0.get(node.op.as_str()),
            _ => self.0.get(qualified(node).as_str()),
        }
    }
}

/// Family after family, each made when it is reached.
fn rows<B: Backend>() -> impl Iterator<Item = Row<B>> {
    let families: [fn() -> Vec<Row<B>>; 12] = [
        attention::rows,
        elementwise::rows,
        image::rows,
        linear::rows,
        ml::rows,
        movement::rows,
        normalise::rows,
        quantise::rows,
        random::rows,
        recurrent::rows,
        reduce::rows,
        window::rows,
    ];
    families.into_iter().flat_map(|rows| rows())
}

/// The row `name`, for who needs one and no registry.
fn row<B: Backend>(name: &str) -> Option<Row<B>> {
    rows().find(|row| row.name == name)
}

/// The names of the operators that can run, in order; those outside the default domain with their
/// domain.
pub fn operators() -> Vec<&'static str> {
    let rows = rows::<Host>().map(|row| row.name);
    let ours = |name: &&str| !name.starts_with("scoville.");
    let mut names: Vec<_> = rows.filter(ours).chain(unroll::CONTROL).collect();
    names.sort_unstable();
    names
}

/// What the operator `name` does to the gradient, if it is implemented.
pub(crate) fn gradient(name: &str) -> Option<Gradient> {
    let row = row::<Host>(name);
    let control = unroll::CONTROL.contains(&name).then_some(Gradient::Exact);
    row.map(|row| row.gradient).or(control)
}

/// The operator's name, with its domain unless that is the default one.
pub(crate) fn qualified(node: &Node) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op.clone(),
        domain => format!("{domain}.{}", node.op),
    }
}

/// An axis counted from either end, as an index.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let index = if axis < 0 {
        axis.checked_add_unsigned(rank as u64)
    } else {
        Some(axis)
    };
    match index.and_then(|i| usize::try_from(i).ok()) {
        Some(index) if index < rank => Ok(index),
        _ => Err(Fault::shape(format!(
            "axis {axis} lies outside the {rank} axes"
        ))),
    }
}

/// Axes counted from either end, as sorted indices; each may be named once.
fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
    let mut indices = axes
        .iter()
        .map(|&a| axis(a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    indices.sort_unstable();
    if indices.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Fault::shape(format!("axes {axes:?} name one axis twice")));
    }
    Ok(indices)
}

/// The axes of Squeeze, Unsqueeze and ReduceMean: an attribute once, a constant input later.
enum Axes {
    Attribute(Option<Vec<i64>>),
    Input,
}

impl Axes {
    /// They are an input from opset `since` on.
    fn parse(node: &Node, context: &Context, since: i64) -> Result<Axes, Fault> {
        if context.opset >= since {
            return Ok(Axes::Input);
        }
        Ok(Axes::Attribute(
            node.attributes.ints("axes")?.map(|axes| axes.to_vec()),
        ))
    }

    fn get(&self, inputs: &Facts) -> Result<Option<Vec<i64>>, Fault> {
        match self {
            Axes::Attribute(axes) => Ok(axes.clone()),
            Axes::Input => Ok(inputs.optional_ints(1)?.map(<[i64]>::to_vec)),
        }
    }
}

/// Elements of a tensor of this shape; an error where they overflow.
pub(crate) fn count(shape: &[usize]) -> Result<usize, Fault> {
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| Fault::shape(format!("the size of {shape:?} overflows")))
}

/// Reshapes input 0 to what was inferred: all that Reshape, Flatten and the like do.
fn reshape_to<B: Backend>(
    mut inputs: Values<B>,
    outputs: &[Fact],
) -> Result<Vec<FloatTensor<B>>, Fault> {
    let x = inputs.tensor(0)?;
    outputs
        .iter()
        .map(|fact| {
            Ok(B::float_reshape(
                x.clone(),
                Shape::from(on_device(fact.shape())),
            ))
        })
        .collect()
}
