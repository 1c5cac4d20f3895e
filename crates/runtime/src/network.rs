//! A program behind its prologue on one backend: any batch size, with or without the tape.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, Shape, Slice, TensorMetadata};
use scoville_kernels::{Array, Bridge, ConvNet, Device};
use scoville_onnx::{DType, Graph, Node};

use crate::convnet::{Make, Run};
use crate::inspect::{Inspection, inspect};
use crate::ops::normalise::softmax::Normalised;
use crate::ops::stand_in::StandIns;
use crate::probe::{agree, noise};
use crate::program::{Plan, Planned, Program, Segment};
use crate::prologue::{Prologue, Scaling};
use crate::value::{Fact, Value};
use crate::{Bpda, Error};

/// What every backend needs to know of a model.
pub(crate) struct Recipe {
    /// The name of the graph.
    pub name: String,
    /// The name of the graph's only output.
    pub output: String,
    pub prologue: Prologue,
    pub softmax: Option<FinalSoftmax>,
    /// The name of the inner value that holds a sample's features.
    pub features: Option<String>,
    /// The batch that the export fixed.
    pub baked: Option<usize>,
    /// The type of the graph's input.
    pub dtype: DType,
    /// Most bytes that a run may hold, if the caller sets a limit.
    pub memory: Option<u64>,
}

impl Recipe {
    /// What the graph is fed for a batch of `n`.
    fn feed(&self, n: usize) -> Fact {
        Fact::new(self.dtype, self.prologue.model_shape(n))
    }
}

/// A Softmax or LogSoftmax that makes the output.
pub(crate) struct FinalSoftmax {
    op: String,
    /// Name of what it normalises.
    input: String,
    normalised: Normalised,
}

impl FinalSoftmax {
    /// The one that makes the graph's output, if any.
    pub fn of(graph: &Graph) -> Result<Option<FinalSoftmax>, Error> {
        let output = graph.outputs.first().map(|port| &port.name);
        let makes_output = |node: &&Node| node.outputs.first() == output;
        let Some(node) = graph.nodes.iter().find(makes_output) else {
            return Ok(None);
        };
        if !matches!(node.op.as_str(), "Softmax" | "LogSoftmax") {
            return Ok(None);
        }
        let opset = graph.opsets.get("").copied().unwrap_or(1);
        let normalised = Normalised::parse(node, opset)
            .map_err(|fault| Error::node(node, "its attributes", fault))?;
        let input = node.inputs.first().cloned().unwrap_or_default();
        Ok(Some(FinalSoftmax {
            op: node.op.clone(),
            input,
            normalised,
        }))
    }
}

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// A sample's features, in an inner layer.
    Features,
    Logits,
    Output,
}

/// The head of a gradient: logits in, the derivative of the loss by them out.
pub(crate) type Head<'a> = &'a mut dyn FnMut(&Array) -> Result<Array, scoville_kernels::Error>;

/// What the head gives, in messages.
const BY_VALUES: &str = "the derivative that the head gives";

/// A network on whatever backend.
pub(crate) trait Engine: Send + Sync {
    /// Values at `end`, one row a sample.
    fn run(&self, x: &Array, end: End) -> Result<Array, Error>;
    /// Values at `end`, and the derivative by `x` of what `head` derives by them.
    fn gradient(&self, x: &Array, end: End, head: Head) -> Result<(Array, Array), Error>;
    /// Bytes that a gradient of `n` samples holds.
    fn gradient_bytes(&self, n: usize) -> Result<u64, Error>;
    /// Whether it draws random numbers, anew at every run.
    fn is_random(&self) -> bool;
    /// Hands out the weights as they are on the device now, one after the other in pieces, each with
    /// the name and the number of elements of the whole.
    fn weights(&self, take: &mut dyn FnMut(&str, usize, &[f32])) -> Result<(), Error>;
    /// What the graph is made of.
    fn inspect(&self) -> Result<Inspection, Error>;
}

/// Most weights that are read back at once.
const PIECE: usize = 1 << 20;

/// Bytes of a run that are not worth asking the system for.
const SMALL: u64 = 64 << 20;

/// One model on one backend.
pub(crate) struct Network<B: AutodiffBackend> {
    recipe: Arc<Recipe>,
    /// Its constants are the program's now.
    graph: Graph,
    program: Program<B>,
    /// Whether the graph takes a batch; otherwise its samples run one by one.
    pub batched: bool,
    /// Whether logits are the input of the final softmax.
    cut: bool,
    device: Device,
    scaling: Option<Scaling>,
    /// The output's shape for one sample.
    shape: Vec<usize>,
    classes: usize,
    plans: Mutex<HashMap<(usize, End), Arc<Plan>>>,
}

/// Most plans that are kept: batches shrink as samples finish, so there are many sizes.
const MAX_PLANS: usize = 64;

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Compiles the recipe's graph, pruned and folded, for `device`, and lifts a baked batch.
    pub fn load(recipe: Arc<Recipe>, mut graph: Graph, device: &Device) -> Result<Self, Error> {
        let burn_device = <B::InnerBackend as Bridge>::device(device)?;
        let limit = device.memory_limit().min(recipe.memory.unwrap_or(u64::MAX));
        let mut program = contained("load", || {
            Program::<B>::compile(&mut graph, &burn_device, limit)
        })?;
        let batch = recipe.baked.unwrap_or(1);
        let exported = contained("planning", || {
            program.plan(vec![recipe.feed(batch)], &[recipe.output.as_str()])
        })?;
        if recipe.baked.is_some() {
            program.lift(&exported);
        }
        let (shape, classes) = sample_output(&exported, batch)?;
        let mut network = Network {
            scaling: recipe.prologue.scaling(device)?,
            device: device.clone(),
            recipe,
            graph,
            program,
            batched: false,
            cut: false,
            shape,
            classes,
            plans: Mutex::default(),
        };
        network.cut = network.softmax_covers_classes();
        network.batched = network.plans_batches();
        Ok(network)
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Settles through which operators gradients are taken by what stands for them. Left to itself the network does so for those
    /// that quantise, and for all where no gradient reaches the input otherwise.
    pub fn stand_in(&mut self, bpda: Bpda) -> Result<StandIns, Error> {
        let plan = self.plan(self.recipe.baked.unwrap_or(1), End::Logits)?;
        let passes = |stand_ins| self.program.passes_gradient(&plan, stand_ins);
        self.program.stand_ins = match bpda {
            Bpda::On => StandIns::All,
            Bpda::Off => StandIns::None,
            Bpda::Auto if !passes(StandIns::Quantised) && passes(StandIns::All) => StandIns::All,
            Bpda::Auto => StandIns::Quantised,
        };
        Ok(self.program.stand_ins)
    }

    /// The same as another network of the model settled.
    pub fn set_stand_ins(&mut self, stand_ins: StandIns) {
        self.program.stand_ins = stand_ins;
    }

    /// Elements of a sample.
    pub fn sample_len(&self) -> usize {
        self.recipe.prologue.sample().iter().product()
    }

    /// The output's shape for one sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The operator that was cut after the logits.
    pub fn cut(&self) -> Option<&str> {
        self.recipe
            .softmax
            .as_ref()
            .filter(|_| self.cut)
            .map(|softmax| softmax.op.as_str())
    }

    /// Whether the final softmax is over the classes and nothing else.
    fn softmax_covers_classes(&self) -> bool {
        let Some(softmax) = &self.recipe.softmax else {
            return false;
        };
        let n = self.recipe.baked.unwrap_or(1);
        let plan = contained("planning", || {
            self.program
                .plan(vec![self.recipe.feed(n)], &[&softmax.input])
        });
        plan.is_ok_and(|plan| softmax.normalised.covers_samples(plan.shape(), n))
    }

    /// Whether every shape works out for a batch, one row a sample.
    fn plans_batches(&self) -> bool {
        let rows = |n: usize| match self.plan(n, End::Output) {
            Ok(plan) => {
                plan.shape().first() == Some(&n)
                    && plan.shape().iter().product::<usize>() == n * self.classes
            }
            Err(_) => false,
        };
        rows(2) && rows(3)
    }

    /// Whether the graph shows that samples stay apart; otherwise the first node that may mix them.
    pub fn keeps_samples_apart(&self) -> Result<(), String> {
        let plan = self
            .plan(2, End::Output)
            .map_err(|error| error.to_string())?;
        match self.program.samples(&plan) {
            Ok(samples) => match samples.get(plan.target_slot()) {
                Some(Some(samples)) if samples.axis == 0 => Ok(()),
                _ => Err("the output's first axis is not the batch".into()),
            },
            Err((node, op)) => Err(format!("node {node} ({op}) may mix samples")),
        }
    }

    fn plan(&self, n: usize, end: End) -> Result<Arc<Plan>, Error> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&(n, end)) {
            return Ok(plan.clone());
        }
        let target = match (end, &self.recipe.softmax, &self.recipe.features) {
            (End::Features, _, Some(features)) => features,
            (End::Features, _, None) => return Err(no_features("no layer of weights reads one")),
            (End::Logits, Some(softmax), _) if self.cut => &softmax.input,
            _ => self.recipe.output.as_str(),
        };
        let plan = contained("planning", || {
            self.program.plan(vec![self.recipe.feed(n)], &[target])
        })?;
        if end == End::Features && plan.shape().first() != Some(&n) {
            return Err(no_features("its first axis is not the batch"));
        }
        let plan = Arc::new(plan);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert((n, end), plan.clone());
        Ok(plan)
    }

    /// Runs one batch of the graph.
    fn run_plan(
        &self,
        x: FloatTensor<B>,
        n: usize,
        end: End,
        tape: bool,
    ) -> Result<FloatTensor<B>, Error> {
        let plan = self.plan(n, end)?;
        let feed = Value::new(self.recipe.feed(n), x);
        let mut out = self.program.run(&plan, vec![feed], tape)?;
        let tensor = out.pop().and_then(|value| value.tensor);
        tensor.ok_or_else(|| Error::Interface {
            port: "output".into(),
            what: "it does not depend on the input".into(),
        })
    }

    /// The network that all of a run of `n` samples is, if it takes arrays as they are: then burn has no part in it.
    fn sole(&self, n: usize, end: End) -> Result<Option<&ConvNet>, Error> {
        if !self.batched || !self.recipe.prologue.keeps_order() {
            return Ok(None);
        }
        let plan = self.plan(n, end)?;
        let network = self.program.sole_network(&plan);
        Ok(network.and_then(Run::on_arrays))
    }

    /// The gradient by the one network that the model is.
    fn direct_gradient(
        &self,
        net: &ConvNet,
        x: &Array,
        head: Head,
    ) -> Result<(Array, Array), Error> {
        let (values, tape) = match &self.scaling {
            Some(scaling) => net.forward(&scaling.apply(x)?)?,
            None => net.forward(x)?,
        };
        let by_values = head(&values)?;
        self.expect(BY_VALUES, &by_values, x.rows(), values.cols())?;
        let gradient = net.backward(&tape, &by_values)?;
        let by_input = match &self.scaling {
            Some(scaling) => scaling.back(&gradient)?,
            None => gradient,
        };
        Ok((values, by_input))
    }

    /// Bytes that a run of `n` samples holds: with a `tape`, all that it makes.
    fn held(&self, n: usize, end: End, tape: bool) -> Result<u64, Error> {
        let (batch, runs) = match self.batched {
            true => (n, 1),
            false => (self.recipe.baked.unwrap_or(1), n as u64),
        };
        let plan = self.plan(batch, end)?;
        Ok(match tape {
            true => plan.total.saturating_mul(runs),
            false => plan.peak,
        })
    }

    /// Refuses a run that would hold more than there is.
    fn check_memory(&self, n: usize, end: End, tape: bool) -> Result<(), Error> {
        let bytes = self.held(n, end, tape)?;
        let of_device = match self.device {
            Device::Cpu if bytes > SMALL => self.device.available_memory(),
            _ => u64::MAX,
        };
        let available = self
            .recipe
            .memory
            .map_or(of_device, |limit| limit.min(of_device));
        if bytes <= available {
            return Ok(());
        }
        Err(Error::TooLarge {
            value: if tape { "the gradient" } else { "the run" }.into(),
            bytes: bytes.into(),
            batch: n,
            limit: available,
        })
    }

    /// `x` is n x sample, scaled, on the tape or not; n x classes comes out.
    fn forward(
        &self,
        x: FloatTensor<B>,
        n: usize,
        end: End,
        tape: bool,
    ) -> Result<FloatTensor<B>, Error> {
        let x = self.recipe.prologue.apply::<B>(x);
        let out = if self.batched {
            self.run_plan(x, n, end, tape)?
        } else {
            // A batch that is fixed and cannot be lifted is filled with the one sample.
            let fixed = self.recipe.baked.unwrap_or(1);
            let row = |i: usize| {
                let sample = B::float_slice(x.clone(), &row_of(&x.shape(), i));
                let batch = match fixed {
                    1 => sample,
                    n => B::float_cat(vec![sample; n], 0),
                };
                let out = self.run_plan(batch, fixed, end, tape)?;
                let shape = [fixed, out.shape().num_elements() / fixed];
                let out = B::float_reshape(out, Shape::from(shape));
                Ok(B::float_slice(out, &row_of(&shape, 0)))
            };
            B::float_cat((0..n).map(row).collect::<Result<_, Error>>()?, 0)
        };
        let cols = out.shape().num_elements() / n.max(1);
        Ok(B::float_reshape(out, Shape::from([n, cols])))
    }

    /// Pixels as a tensor, scaled.
    fn import(&self, x: &Array) -> Result<FloatTensor<B>, Error> {
        let shape = [x.rows(), self.sample_len()];
        let tensor = match &self.scaling {
            Some(scaling) => <B::InnerBackend as Bridge>::take(scaling.apply(x)?, &shape)?,
            None => <B::InnerBackend as Bridge>::import(x, &shape)?,
        };
        Ok(B::from_inner(tensor))
    }

    fn expect_input(&self, x: &Array) -> Result<(), Error> {
        self.expect("the input", x, x.rows().max(1), self.sample_len())
    }

    fn export(&self, tensor: FloatTensor<B>, rows: usize) -> Result<Array, Error> {
        let cols = tensor.shape().num_elements() / rows.max(1);
        let tensor = B::inner(tensor);
        Ok(<B::InnerBackend as Bridge>::export(tensor, rows, cols)?)
    }

    fn expect(
        &self,
        what: &'static str,
        array: &Array,
        rows: usize,
        cols: usize,
    ) -> Result<(), Error> {
        if array.device() != self.device {
            return Err(scoville_kernels::Error::DeviceMismatch { kernel: what }.into());
        }
        if (array.rows(), array.cols()) == (rows, cols) {
            return Ok(());
        }
        let expected = format!("{rows} x {cols}");
        Err(Error::Array {
            what,
            rows: array.rows(),
            cols: array.cols(),
            expected,
        })
    }
}

/// What became of kernels of our own.
pub(crate) enum Fast {
    /// There is nothing that they could run.
    Nothing,
    Taken,
    /// They would give something else, or could not be tried.
    Refused(String),
}

impl Fast {
    /// Why they are not taken.
    pub fn refusal(self) -> Option<String> {
        match self {
            Fast::Refused(note) => Some(note),
            Fast::Nothing | Fast::Taken => None,
        }
    }
}

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Lets kernels of our own run what they can, if the output of a sample of noise stays `expected` to 1e-4 of the largest
    /// value.
    pub fn accelerate(
        &mut self,
        make: Make<B>,
        expected: impl FnOnce(&Self) -> Result<Vec<f32>, Error>,
    ) -> Result<Fast, Error> {
        let segments = self.find_segments(make)?;
        if segments.is_empty() {
            return Ok(Fast::Nothing);
        }
        let refused = |why: String| {
            Ok(Fast::Refused(format!(
                "the faster convolutions are not taken: {why}"
            )))
        };
        let expected = match expected(self) {
            Ok(expected) => expected,
            Err(error) => return refused(format!("noise could not be run to check them: {error}")),
        };
        self.set_segments(segments);
        match self.probe() {
            Ok(fast) if agree(&fast, &expected) => return Ok(Fast::Taken),
            Ok(_) => {}
            Err(error) if self.device == Device::Cpu => return Err(error),
            Err(error) => {
                self.set_segments(Vec::new());
                return refused(error.to_string());
            }
        }
        self.set_segments(Vec::new());
        refused("they differ by more than 1e-4 on this model".into())
    }

    fn find_segments(&self, make: Make<B>) -> Result<Vec<Segment<B>>, Error> {
        let n = match self.batched {
            true => 2,
            false => self.recipe.baked.unwrap_or(1),
        };
        let plan = self.plan(n, End::Output)?;
        let softmax = self.recipe.softmax.iter();
        let softmax = softmax.map(|softmax| softmax.input.as_str());
        let kept: Vec<&str> = softmax.chain([self.recipe.output.as_str()]).collect();
        contained("packing convolutions", || {
            Ok(self.program.find_segments(&self.graph, &plan, &kept, make))
        })
    }

    /// The output of a sample of noise, with the first random numbers where the model draws any.
    pub fn probe(&self) -> Result<Vec<f32>, Error> {
        let x = noise(&self.device, 1, self.sample_len())?;
        self.program.rewind();
        Ok(self.run(&x, End::Output)?.to_vec()?)
    }

    /// Runs these segments from now on; gives back those before.
    pub fn set_segments(&mut self, segments: Vec<Segment<B>>) -> Vec<Segment<B>> {
        self.plans = Mutex::default();
        self.program.set_segments(segments)
    }

    /// What is run for a sample, as far as its speed depends on it.
    pub fn outline(&self) -> Result<String, Error> {
        let plan = self.plan(self.recipe.baked.unwrap_or(1), End::Logits)?;
        let step = |step: Planned| {
            let inputs = step.inputs.iter().flatten().map(|input| input.fact.shape());
            let outputs = step.outputs.iter().map(Fact::shape);
            let shapes = inputs.chain(outputs).map(|shape| format!("{shape:?}"));
            format!("{} {}", step.op, shapes.collect::<String>())
        };
        let steps: Vec<String> = self.program.planned(&plan).map(step).collect();
        Ok(steps.join("\n"))
    }
}

impl<B> Engine for Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    fn run(&self, x: &Array, end: End) -> Result<Array, Error> {
        let n = x.rows();
        self.check_memory(n, end, false)?;
        self.expect_input(x)?;
        if let Some(net) = self.sole(n, end)? {
            let (out, _) = match &self.scaling {
                Some(scaling) => net.forward(&scaling.apply(x)?)?,
                None => net.forward(x)?,
            };
            return Ok(out);
        }
        contained("the forward pass", || {
            self.export(self.forward(self.import(x)?, n, end, false)?, n)
        })
    }

    fn gradient_bytes(&self, n: usize) -> Result<u64, Error> {
        self.held(n, End::Logits, true)
    }

    fn is_random(&self) -> bool {
        self.program.is_random()
    }

    fn gradient(&self, x: &Array, end: End, head: Head) -> Result<(Array, Array), Error> {
        let n = x.rows();
        self.check_memory(n, end, true)?;
        self.expect_input(x)?;
        if let Some(net) = self.sole(n, end)? {
            return self.direct_gradient(net, x, head);
        }
        let (leaf, values, exported) = contained("the forward pass", || {
            let leaf = B::float_set_require_grad(self.import(x)?, true);
            let values = self.forward(leaf.clone(), n, end, true)?;
            let exported = self.export(values.clone(), n)?;
            Ok((leaf, values, exported))
        })?;
        let by_values = head(&exported)?;
        let cols = exported.cols();
        self.expect(BY_VALUES, &by_values, n, cols)?;
        let by_input = contained("the backward pass", || {
            let by_values = <B::InnerBackend as Bridge>::take(by_values, &[n, cols])?;
            // Backward seeds ones of the root's shape, so that this root's gradient by the values
            // is `by_values`: a vector-Jacobian product without a sum.
            let root = B::float_mul(values, B::from_inner(by_values));
            let mut gradients = B::backward(root);
            // A graph through which no gradient passes is piecewise constant.
            let Some(gradient) = B::grad_remove(&leaf, &mut gradients) else {
                return Ok(Array::zeros(&x.device(), n, x.cols())?);
            };
            let gradient = <B::InnerBackend as Bridge>::export(gradient, n, x.cols())?;
            match &self.scaling {
                Some(scaling) => scaling.back(&gradient),
                None => Ok(gradient),
            }
        })?;
        Ok((exported, by_input))
    }

    fn inspect(&self) -> Result<Inspection, Error> {
        let samples = self.recipe.baked.filter(|_| !self.batched).unwrap_or(1);
        let plan = self.plan(samples, End::Output)?;
        Ok(inspect(&self.program, &plan, samples))
    }

    fn weights(&self, take: &mut dyn FnMut(&str, usize, &[f32])) -> Result<(), Error> {
        contained("reading the weights", || {
            for (name, tensor) in self.program.weights() {
                let len = tensor.shape().num_elements();
                let flat = B::float_reshape(tensor.clone(), Shape::from([len]));
                for start in (0..len).step_by(PIECE) {
                    let range = Slice::from(start..len.min(start + PIECE));
                    let piece = B::inner(B::float_slice(flat.clone(), &[range]));
                    let size = piece.shape().num_elements();
                    let array = <B::InnerBackend as Bridge>::export(piece, 1, size)?;
                    take(name, len, &array.to_vec()?);
                }
            }
            Ok(())
        })
    }
}

/// The output's shape for one sample of a batch of `n`, and its elements.
fn sample_output(plan: &Plan, n: usize) -> Result<(Vec<usize>, usize), Error> {
    let refuse = |what: String| Error::Interface {
        port: "first output".into(),
        what,
    };
    let Some(fact) = plan.target(0).filter(|fact| !fact.is_known()) else {
        return Err(refuse("it does not depend on the input".into()));
    };
    let elements = fact.shape().iter().product::<usize>();
    if elements == 0 || elements % n != 0 {
        let shape = fact.shape();
        return Err(refuse(format!(
            "it has shape {shape:?} for {n} samples; as many values a sample are needed"
        )));
    }
    let mut shape = fact.shape().to_vec();
    if let Some(first) = shape.first_mut().filter(|first| **first % n == 0) {
        *first /= n;
    }
    Ok((shape, elements / n))
}

fn no_features(what: &str) -> Error {
    Error::Interface {
        port: "layer of features".into(),
        what: what.into(),
    }
}

/// Row `i` of a tensor of `shape`.
fn row_of(shape: &[usize], i: usize) -> Vec<Slice> {
    let rest = shape.iter().skip(1).map(|&size| Slice::from(0..size));
    std::iter::once(Slice::from(i..i + 1)).chain(rest).collect()
}

/// Turns a panic inside burn into an error: its own checks are assertions.
pub(crate) fn contained<T>(
    during: &'static str,
    run: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        Err(Error::Backend {
            during,
            message: panic_text(&*panic),
        })
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".into())
}
