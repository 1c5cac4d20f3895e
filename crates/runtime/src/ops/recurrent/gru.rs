//! GRU, of the gates z (update), r (reset) and h, with f = Sigmoid and g = Tanh:
//!
//! - `z = f(X Wz^T + H Rz^T + Wbz + Rbz)`, and r likewise;
//! - `h = g(X Wh^T + (r H) Rh^T + Wbh + Rbh)`, or, with `linear_before_reset`,
//!   `g(X Wh^T + Wbh + r (H Rh^T + Rbh))`;
//! - `H' = (1 - z) h + z H`.
//!
//! X is \[time, batch, input\], W \[directions, 3 hidden, input\], R \[directions, 3 hidden, hidden\]; Y
//! is \[time, directions, batch, hidden\], Y_h \[directions, batch, hidden\].

use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::layer::{Kind, Layer};
use super::walk::{Cell, Direction};
use crate::Fault;
use crate::ops::part::{part, parts};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Gru {
    layer: Layer,
    linear_before_reset: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let linear_before_reset = node.attributes.int_or("linear_before_reset", 0)? != 0;
    let kind = Kind {
        gates: 3,
        activations: &["Sigmoid", "Tanh"],
        states: &[5],
        own_bias: linear_before_reset,
    };
    Ok(Box::new(Gru {
        layer: Layer::parse(node, context, kind)?,
        linear_before_reset,
    }))
}

impl<B: Backend> Operator<B> for Gru {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.layer.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        match self.linear_before_reset {
            true => self.layer.forward(inputs, linear_before_reset),
            false => self.layer.forward(inputs, reset_before_linear),
        }
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.layer.samples(samples, outputs.len())
    }
}

fn linear_before_reset<B: Backend>(direction: &Direction<B>) -> Cell<'_, B, 1> {
    Box::new(|x, [h]| {
        let mut gates = B::float_matmul(h.clone(), direction.weights.clone());
        if let Some(bias) = &direction.bias {
            gates = B::float_add(gates, bias.clone());
        }
        let ([xz, xr, xh], [hz, hr, hh]) = (parts::<B, 3>(x, 1), parts::<B, 3>(gates, 1));
        let z = direction.activate(0, B::float_add(xz, hz));
        let r = direction.activate(0, B::float_add(xr, hr));
        let new = direction.activate(1, B::float_add(xh, B::float_mul(r, hh)));
        [mixed::<B>(z, new, h)]
    })
}

fn reset_before_linear<B: Backend>(direction: &Direction<B>) -> Cell<'_, B, 1> {
    let columns = direction.weights.shape().iter().nth(1).copied();
    let columns = columns.unwrap_or(0);
    let split = columns / 3 * 2;
    let of_gates = part::<B>(direction.weights.clone(), 1, 0..split);
    let of_new = part::<B>(direction.weights.clone(), 1, split..columns);
    Box::new(move |x, [h]| {
        let gates = B::float_matmul(h.clone(), of_gates.clone());
        let ([xz, xr, xh], [hz, hr]) = (parts::<B, 3>(x, 1), parts::<B, 2>(gates, 1));
        let z = direction.activate(0, B::float_add(xz, hz));
        let r = direction.activate(0, B::float_add(xr, hr));
        let reset = B::float_matmul(B::float_mul(r, h.clone()), of_new.clone());
        let new = direction.activate(1, B::float_add(xh, reset));
        [mixed::<B>(z, new, h)]
    })
}

/// `(1 - z) new + z old`.
fn mixed<B: Backend>(
    z: FloatTensor<B>,
    new: FloatTensor<B>,
    old: FloatTensor<B>,
) -> FloatTensor<B> {
    let change = B::float_mul(z, B::float_sub(old, new.clone()));
    B::float_add(new, change)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, wave};

    /// 3 steps, 2 samples, 2 inputs, 2 units; with a bias, of `directions`.
    fn gru(directions: usize) -> Case {
        Case::new("GRU")
            .outputs(2)
            .input(wave(1, &[3, 2, 2]))
            .constant(wave(2, &[directions, 6, 2]))
            .constant(wave(3, &[directions, 6, 2]))
            .constant(wave(4, &[directions, 12]))
    }

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn bare() {
        let case = Case::new("GRU")
            .outputs(2)
            .input(wave(1, &[3, 2, 2]))
            .input(wave(2, &[1, 6, 2]))
            .input(wave(3, &[1, 6, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                -0.121879, -0.0414165, 0.0573288, 0.015132, -0.0169387, 0.10949, -0.079355,
                -0.14573, 0.0478239, -0.0062116, 0.00250212, -0.029776,
            ],
        );
        case.output_gives(
            1,
            &[1, 2, 2],
            &[0.0478239, -0.0062116, 0.00250212, -0.029776],
        );
        case.gradient_agrees();
    }

    #[test]
    fn both_ways_with_lengths() {
        let case = |linear_before_reset| {
            gru(2)
                .string("direction", "bidirectional")
                .int("linear_before_reset", linear_before_reset)
                .constant(ints(&[2], &[2, 3]))
                .input(wave(5, &[2, 2, 2]))
        };
        case(1).gradient_agrees();
        case(0).gradient_agrees();
        {
            let case = case(1);
            case.output_gives(
                0,
                &[3, 2, 2, 2],
                &[
                    -0.0876292, -0.598872, 0.308718, -0.37415, 0.051687, 0.553356, -0.60045,
                    0.631316, 0.0974852, -0.4908, 0.211732, -0.54698, 0.124172, 0.48946, -0.458235,
                    0.508039, 0.0, 0.0, 0.281248, -0.540304, 0.0, 0.0, -0.543274, 0.627026,
                ],
            );
            case.output_gives(
                1,
                &[2, 2, 2],
                &[
                    0.0974852, -0.4908, 0.281248, -0.540304, 0.051687, 0.553356, -0.60045, 0.631316,
                ],
            );
        }
        let case = case(0);
        case.output_gives(
            0,
            &[3, 2, 2, 2],
            &[
                -0.0809832, -0.672467, 0.306659, -0.426756, -0.111003, 0.601117, -0.706558,
                0.695986, 0.0967896, -0.619787, 0.210679, -0.632989, 0.0457379, 0.528083,
                -0.574572, 0.592517, 0.0, 0.0, 0.275375, -0.65399, 0.0, 0.0, -0.58623, 0.671467,
            ],
        );
        case.output_gives(
            1,
            &[2, 2, 2],
            &[
                0.0967896, -0.619787, 0.275375, -0.65399, -0.111003, 0.601117, -0.706558, 0.695986,
            ],
        );
    }

    #[test]
    fn backwards_and_clipped() {
        let case = gru(1)
            .string("direction", "reverse")
            .float("clip", 0.3)
            .absent()
            .constant(wave(5, &[1, 2, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                0.109078, -0.349499, 0.23094, -0.284442, 0.159238, -0.399809, 0.186214, -0.279353,
                0.0525849, -0.480186, 0.267581, -0.267581,
            ],
        );
        case.output_gives(1, &[1, 2, 2], &[0.109078, -0.349499, 0.23094, -0.284442]);
    }

    #[test]
    fn other_activations() {
        let case = gru(1)
            .strings("activations", &["HardSigmoid", "Softplus"])
            .floats("activation_alpha", &[0.3])
            .absent()
            .constant(wave(5, &[1, 2, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                0.321539,
                -0.203757,
                0.502596,
                -0.00595285,
                0.561001,
                0.0278889,
                0.628183,
                0.140793,
                0.684876,
                0.161797,
                0.737774,
                0.250968,
            ],
        );
        case.output_gives(1, &[1, 2, 2], &[0.684876, 0.161797, 0.737774, 0.250968]);
    }

    #[test]
    fn faults() {
        gru(2).fails("instead of [1, 6, 2]");
        gru(1)
            .strings("activations", &["Tanh"])
            .fails("1 activations, 2 are needed");
    }
}
