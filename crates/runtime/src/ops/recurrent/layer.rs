//! What RNN, GRU and LSTM share: attributes, shapes, directions.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::activation::{Activation, activations};
use super::walk::{Cell, Direction, Ends, Weights, joined};
use crate::Fault;
use crate::ops::part::part;
use crate::ops::samples::Samples;
use crate::ops::{Context, count};
use crate::value::{Fact, Facts, Values};

// Where the inputs stand.
const X: usize = 0;
const W: usize = 1;
const R: usize = 2;
const BIAS: usize = 3;
const LENGTHS: usize = 4;
const PEEPHOLES: usize = 7;

/// A kind of layer, as far as its shapes and weights go.
pub(super) struct Kind {
    /// Gates in the weights.
    pub gates: usize,
    /// Activations a direction, and what they are by default.
    pub activations: &'static [&'static str],
    /// The inputs of the initial states.
    pub states: &'static [usize],
    /// Whether the bias of the recurrence must stay apart from that of the input.
    pub own_bias: bool,
}

/// A layer with its attributes.
pub(super) struct Layer {
    kind: Kind,
    /// For each direction, whether it runs backwards in time.
    backwards: Vec<bool>,
    batch_first: bool,
    hidden: Option<i64>,
    clip: Option<f32>,
    /// Direction by direction.
    activations: Vec<Activation>,
}

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub steps: usize,
    pub batch: usize,
    pub input: usize,
    pub hidden: usize,
}

impl Layer {
    pub fn parse(node: &Node, context: &Context, kind: Kind) -> Result<Layer, Fault> {
        let attributes = &node.attributes;
        let backwards = match attributes.string("direction")?.unwrap_or("forward") {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => return Err(Fault::shape(format!("direction {other:?} is unknown"))),
        };
        let batch_first = context.opset >= 14 && attributes.int_or("layout", 0)? != 0;
        let clip = attributes.float("clip")?;
        if clip.is_some_and(|clip| clip.is_nan() || clip <= 0.0) {
            return Err(Fault::shape("attribute clip must be positive"));
        }
        let defaults = kind.activations.repeat(backwards.len());
        let names: Vec<&str> = match attributes.strings("activations")? {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => defaults.clone(),
        };
        // The schema's own default of RNN is always for two directions.
        if names.len() != defaults.len() && !(defaults.len() == 1 && names.len() == 2) {
            return Err(Fault::shape(format!(
                "there are {} activations, {} are needed",
                names.len(),
                defaults.len()
            )));
        }
        let alpha = attributes.floats("activation_alpha")?.unwrap_or_default();
        let beta = attributes.floats("activation_beta")?.unwrap_or_default();
        Ok(Layer {
            activations: activations(&names, alpha, beta)?,
            hidden: attributes.int("hidden_size")?,
            kind,
            backwards,
            batch_first,
            clip,
        })
    }

    /// Samples lie along the batch axis of X, and of the states.
    pub fn samples(
        &self,
        samples: &[Option<Samples>],
        outputs: usize,
    ) -> Option<Vec<Option<Samples>>> {
        let (x, state, over_time) = match self.batch_first {
            true => (0, 0, 0),
            false => (1, 1, 2),
        };
        let at = |axis: usize| Some(Samples { axis, block: 1 });
        let mut placed = samples.iter().enumerate();
        let fit = placed.all(|(i, samples)| match i {
            X => *samples == at(x),
            i if self.kind.states.contains(&i) => samples.is_none() || *samples == at(state),
            _ => samples.is_none(),
        });
        let ends = (1..outputs).map(|_| at(state));
        fit.then(|| std::iter::once(at(over_time)).chain(ends).collect())
    }

    /// The outputs: the first state over time, and each state at the end.
    pub fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let Sizes {
            steps,
            batch,
            input,
            hidden,
        } = self.sizes(inputs.float(X)?, inputs.float(R)?)?;
        let directions = self.backwards.len();
        let overflow = || Fault::shape("the size of the gates overflows");
        let rows = self.kind.gates.checked_mul(hidden).ok_or_else(overflow)?;
        let columns = rows.checked_mul(2).ok_or_else(overflow)?;
        expect(inputs, W, &[directions, rows, input])?;
        expect(inputs, R, &[directions, rows, hidden])?;
        expect(inputs, BIAS, &[directions, columns])?;
        expect(inputs, PEEPHOLES, &[directions, hidden.saturating_mul(3)])?;
        count(&[steps, batch, rows])?;
        for &index in self.kind.states {
            self.check_state(inputs, index, batch, hidden)?;
        }
        if let Some(lengths) = inputs.get(LENGTHS) {
            inputs.shape(LENGTHS)?;
            check_lengths(lengths, batch, steps)?;
        }
        let (over_time, at_end) = match self.batch_first {
            true => (
                vec![batch, steps, directions, hidden],
                vec![batch, directions, hidden],
            ),
            false => (
                vec![steps, directions, batch, hidden],
                vec![directions, batch, hidden],
            ),
        };
        let ends = self.kind.states.iter().map(|_| at_end.clone());
        Ok(std::iter::once(over_time)
            .chain(ends)
            .map(Fact::float)
            .collect())
    }

    fn sizes(&self, x: &[usize], r: &[usize]) -> Result<Sizes, Fault> {
        let (&[a, b, input], &[_, _, hidden]) = (x, r) else {
            return Err(Fault::shape("X and R must have 3 axes"));
        };
        let (batch, steps) = if self.batch_first { (a, b) } else { (b, a) };
        if steps == 0 || input == 0 || hidden == 0 {
            return Err(Fault::shape("X or R is empty"));
        }
        match self.hidden {
            Some(size) if usize::try_from(size) != Ok(hidden) => Err(Fault::shape(format!(
                "hidden_size is {size}, but R is for {hidden}"
            ))),
            _ => Ok(Sizes {
                steps,
                batch,
                input,
                hidden,
            }),
        }
    }

    /// A state of one sample serves the whole batch.
    fn check_state(
        &self,
        inputs: &Facts,
        index: usize,
        batch: usize,
        hidden: usize,
    ) -> Result<(), Fault> {
        let Some(shape) = inputs.optional_float(index)? else {
            return Ok(());
        };
        let directions = self.backwards.len();
        let fits = [1, batch].into_iter().any(|batch| match self.batch_first {
            true => shape == [batch, directions, hidden],
            false => shape == [directions, batch, hidden],
        });
        match fits {
            true => Ok(()),
            false => Err(Fault::shape(format!(
                "the initial state is {shape:?}, not of {directions} directions, a batch of 1 or \
                 {batch}, {hidden} units"
            ))),
        }
    }

    /// Runs every direction; `cell` makes the step of one. `N` is how many states there are.
    pub fn forward<B: Backend, const N: usize>(
        &self,
        mut inputs: Values<B>,
        cell: impl for<'a> Fn(&'a Direction<B>) -> Cell<'a, B, N>,
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let sizes = self.sizes(&inputs.shape(X)?, &inputs.shape(R)?)?;
        let ends = Ends::of(&mut inputs, LENGTHS, sizes)?;
        let mut initial = Vec::new();
        for &index in self.kind.states {
            initial.push(match inputs.optional_tensor(index)? {
                Some(state) => self.time_first::<B>(state),
                None => {
                    let shape = [self.backwards.len(), 1, sizes.hidden];
                    inputs.upload(&shape, vec![0.0; count(&shape)?])
                }
            });
        }
        let initial: [FloatTensor<B>; N] = initial
            .try_into()
            .map_err(|_| Fault::shape("the states differ in number"))?;
        let x = self.time_first::<B>(inputs.tensor(X)?);
        let weights = Weights {
            w: inputs.tensor(W)?,
            r: inputs.tensor(R)?,
            bias: inputs.optional_tensor(BIAS)?,
            peepholes: inputs.optional_tensor(PEEPHOLES)?,
            own_bias: self.kind.own_bias,
        };
        let activations = self.activations.chunks(self.kind.activations.len());
        let (mut over_time, mut at_end) = (Vec::new(), initial.clone().map(|_| Vec::new()));
        for ((d, &backwards), activations) in self.backwards.iter().enumerate().zip(activations) {
            let direction = Direction::new(&weights, d, activations.to_vec(), self.clip);
            let initial = initial.clone().map(|state| part::<B>(state, 0, d..d + 1));
            let (output, states) = direction.walk(
                x.clone(),
                initial,
                cell(&direction),
                backwards,
                ends.as_ref(),
                sizes,
            );
            over_time.push(output);
            for (all, state) in at_end.iter_mut().zip(states) {
                all.push(state);
            }
        }
        let over_time = joined::<B>(over_time, 1);
        let over_time = match self.batch_first {
            true => B::float_permute(over_time, &[2, 0, 1, 3]),
            false => over_time,
        };
        let at_end = at_end.map(|states| self.time_first::<B>(joined::<B>(states, 0)));
        Ok(std::iter::once(over_time).chain(at_end).collect())
    }

    /// Batch first as time, or directions, first; or back.
    fn time_first<B: Backend>(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        match self.batch_first {
            true => B::float_swap_dims(x, 0, 1),
            false => x,
        }
    }
}

fn expect(inputs: &Facts, index: usize, expected: &[usize]) -> Result<(), Fault> {
    match inputs.optional_float(index)? {
        Some(shape) if shape != expected => Err(Fault::shape(format!(
            "input {index} is {shape:?} instead of {expected:?}"
        ))),
        None if index == W || index == R => Err(Fault::Input {
            index,
            what: "is missing",
        }),
        _ => Ok(()),
    }
}

fn check_lengths(lengths: &Fact, batch: usize, steps: usize) -> Result<(), Fault> {
    let shape = lengths.shape();
    if lengths.is_float() || !(shape == [batch] || shape == [1]) {
        return Err(Fault::shape(format!(
            "sequence_lens is {lengths}, not {batch} integers"
        )));
    }
    let fits = |&length: &i64| usize::try_from(length).is_ok_and(|length| length <= steps);
    match lengths.known_ints() {
        Some(known) if !known.iter().all(fits) => Err(Fault::shape(format!(
            "sequence_lens {known:?} exceeds the {steps} time steps"
        ))),
        _ => Ok(()),
    }
}
