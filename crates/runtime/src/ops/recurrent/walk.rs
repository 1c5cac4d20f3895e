//! The walk of a recurrent layer over time: the input is projected for all time steps at once, then
//! the recurrence is unrolled.
//!
//! Beyond its length a sample's states stay as they are; so, backwards, it starts at its own last
//! step.

use burn_backend::{
    Backend, Shape, TensorMetadata, get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor},
};

use super::activation::Activation;
use super::layer::Sizes;
use crate::Fault;
use crate::ops::part::{entries, part};
use crate::value::Values;

/// The tensors of one run, with the directions on their first axis.
pub(super) struct Weights<B: Backend> {
    pub w: FloatTensor<B>,
    pub r: FloatTensor<B>,
    pub bias: Option<FloatTensor<B>>,
    pub peepholes: Option<FloatTensor<B>>,
    /// Whether the bias of the recurrence stays apart from that of the input.
    pub own_bias: bool,
}

/// What one direction computes with.
pub(super) struct Direction<B: Backend> {
    /// Of the input, \[input, gates * hidden\].
    input: FloatTensor<B>,
    input_bias: Option<FloatTensor<B>>,
    /// Of the recurrence, \[hidden, gates * hidden\].
    pub weights: FloatTensor<B>,
    /// Of the recurrence, where it stays apart, \[1, gates * hidden\].
    pub bias: Option<FloatTensor<B>>,
    /// \[1, 3 * hidden\].
    pub peepholes: Option<FloatTensor<B>>,
    pub activations: Vec<Activation>,
    pub clip: Option<f32>,
}

/// One time step: the projected input, \[batch, gates * hidden\], and the `N` states, \[batch, hidden\]
/// each; the new states come out, of which the first is the output.
pub(super) type Cell<'a, B, const N: usize> =
    Box<dyn Fn(FloatTensor<B>, [FloatTensor<B>; N]) -> [FloatTensor<B>; N] + 'a>;

impl<B: Backend> Direction<B> {
    pub fn new(
        weights: &Weights<B>,
        d: usize,
        activations: Vec<Activation>,
        clip: Option<f32>,
    ) -> Self {
        let row = |x: &FloatTensor<B>| part::<B>(x.clone(), 0, d..d + 1);
        let biases = weights.bias.as_ref().map(row).map(|bias| {
            let size = bias.shape().iter().nth(1).copied().unwrap_or(0);
            let of_input = part::<B>(bias.clone(), 1, 0..size / 2);
            let of_state = part::<B>(bias, 1, size / 2..size);
            match weights.own_bias {
                true => (of_input, Some(of_state)),
                false => (B::float_add(of_input, of_state), None),
            }
        });
        let (input_bias, bias) = biases.map_or((None, None), |(input, own)| (Some(input), own));
        Direction {
            input: turned::<B>(row(&weights.w)),
            input_bias,
            weights: turned::<B>(row(&weights.r)),
            bias,
            peepholes: weights.peepholes.as_ref().map(row),
            activations,
            clip,
        }
    }

    /// Activation `index` of the clipped `x`.
    pub fn activate(&self, index: usize, x: FloatTensor<B>) -> FloatTensor<B> {
        let x = match self.clip {
            Some(clip) => B::float_clamp(x, (-clip).into(), clip.into()),
            None => x,
        };
        self.activate_unclipped(index, x)
    }

    pub fn activate_unclipped(&self, index: usize, x: FloatTensor<B>) -> FloatTensor<B> {
        match self.activations.get(index) {
            Some(activation) => activation.apply::<B>(x),
            None => x,
        }
    }

    /// `x`, \[time, batch, input\], as the gates' share of it at each time step.
    fn projected(&self, x: FloatTensor<B>, sizes: Sizes) -> Vec<FloatTensor<B>> {
        let Sizes { steps, batch, .. } = sizes;
        let x = B::float_reshape(x, Shape::from([steps * batch, sizes.input]));
        let mut projected = B::float_matmul(x, self.input.clone());
        if let Some(bias) = &self.input_bias {
            projected = B::float_add(projected, bias.clone());
        }
        let gates = projected.shape().num_elements() / (steps * batch);
        entries::<B>(B::float_reshape(
            projected,
            Shape::from([steps, batch, gates]),
        ))
    }

    /// The output over time, \[time, 1, batch, hidden\], and the states at the end, \[1, batch, hidden\]
    /// each, out of `x`, \[time, batch, input\], and the initial states, \[1, batch or 1, hidden\].
    pub fn walk<const N: usize>(
        &self,
        x: FloatTensor<B>,
        initial: [FloatTensor<B>; N],
        cell: Cell<B, N>,
        backwards: bool,
        ends: Option<&Ends<B>>,
        sizes: Sizes,
    ) -> (FloatTensor<B>, [FloatTensor<B>; N]) {
        let Sizes { batch, hidden, .. } = sizes;
        let mut states = initial.map(|state| {
            let rows = state.shape().num_elements() / hidden;
            let state = B::float_reshape(state, Shape::from([rows, hidden]));
            match rows == batch {
                true => state,
                false => B::float_expand(state, Shape::from([batch, hidden])),
            }
        });
        let mut steps: Vec<_> = self.projected(x, sizes).into_iter().enumerate().collect();
        if backwards {
            steps.reverse();
        }
        let mut outputs = Vec::with_capacity(steps.len());
        for (t, x) in steps {
            let before = states.clone();
            states = cell(x, states);
            let mut output = states.first().cloned();
            if let Some(ends) = ends.filter(|ends| t >= ends.first) {
                let ended = ends.ended(t);
                output = output.map(|y| B::float_mask_fill(y, ended.clone(), 0.0f32.into()));
                let mut before = before.into_iter();
                states = states.map(|new| match before.next() {
                    Some(old) => B::float_mask_where(new, ended.clone(), old),
                    None => new,
                });
            }
            outputs.extend(output.map(|y| B::float_reshape(y, Shape::from([1, 1, batch, hidden]))));
        }
        if backwards {
            outputs.reverse();
        }
        let ended = ends.filter(|ends| ends.first == 0);
        let at_end = states.map(|state| {
            let state = match ended {
                Some(ends) => B::float_mask_fill(state, ends.ended(0), 0.0f32.into()),
                None => state,
            };
            B::float_reshape(state, Shape::from([1, batch, hidden]))
        });
        (joined::<B>(outputs, 0), at_end)
    }
}

/// Where samples end, if some end early. A sample of no steps has zeros in the end.
pub(super) struct Ends<B: Backend> {
    /// The length of each sample, \[batch, hidden\].
    lengths: FloatTensor<B>,
    /// No sample ends before this step.
    first: usize,
}

impl<B: Backend> Ends<B> {
    pub fn of(inputs: &mut Values<B>, index: usize, sizes: Sizes) -> Result<Option<Self>, Fault> {
        let Some(fact) = inputs.fact(index) else {
            return Ok(None);
        };
        let shortest = fact.known_ints().and_then(|lengths| lengths.iter().min());
        let first = shortest.map_or(0, |&length| usize::try_from(length).unwrap_or(0));
        if first >= sizes.steps {
            return Ok(None);
        }
        let lengths = inputs.tensor(index)?;
        let rows = lengths.shape().num_elements();
        let lengths = B::float_reshape(lengths, Shape::from([rows, 1]));
        let lengths = B::float_expand(lengths, Shape::from([sizes.batch, sizes.hidden]));
        Ok(Some(Ends { lengths, first }))
    }

    /// Which samples have ended at step `t`.
    fn ended(&self, t: usize) -> BoolTensor<B> {
        let bools = get_or_init_device_settings::<B>(&self.lengths.device()).bool_dtype;
        B::float_lower_equal_elem(self.lengths.clone(), (t as f32).into(), bools)
    }
}

/// A direction's weights, \[1, rows, columns\], as the right side of a product.
fn turned<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape().iter().skip(1).copied().collect::<Vec<_>>();
    B::float_swap_dims(B::float_reshape(x, Shape::from(shape)), 0, 1)
}

/// All of `tensors`, of which there is one at least, along `axis`.
pub(super) fn joined<B: Backend>(mut tensors: Vec<FloatTensor<B>>, axis: usize) -> FloatTensor<B> {
    match tensors.len() {
        1 => tensors.swap_remove(0),
        _ => B::float_cat(tensors, axis),
    }
}
