//! RNN: `H' = f(X W^T + H R^T + Wb + Rb)`, f = Tanh.
//!
//! X is \[time, batch, input\], W \[directions, hidden, input\], R \[directions, hidden, hidden\]; Y is
//! \[time, directions, batch, hidden\], Y_h \[directions, batch, hidden\].

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::layer::{Kind, Layer};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Rnn(Layer);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let kind = Kind {
        gates: 1,
        activations: &["Tanh"],
        states: &[5],
        own_bias: false,
    };
    Ok(Box::new(Rnn(Layer::parse(node, context, kind)?)))
}

impl<B: Backend> Operator<B> for Rnn {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.0.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.0.forward(inputs, |direction| {
            Box::new(|x, [h]| {
                let gate = B::float_add(x, B::float_matmul(h, direction.weights.clone()));
                [direction.activate(0, gate)]
            })
        })
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.0.samples(samples, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, wave};

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn bare() {
        let case = Case::new("RNN")
            .outputs(2)
            .input(wave(1, &[3, 2, 2]))
            .input(wave(2, &[1, 2, 2]))
            .input(wave(3, &[1, 2, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                -0.259549, -0.124353, 0.154991, 0.0624188, -0.0671733, 0.321341, -0.124973,
                -0.29505, 0.183076, 0.0913345, 0.0624323, 0.0766919,
            ],
        );
        case.output_gives(1, &[1, 2, 2], &[0.183076, 0.0913345, 0.0624323, 0.0766919]);
        case.gradient_agrees();
    }

    fn rnn(directions: usize) -> Case {
        Case::new("RNN")
            .outputs(2)
            .input(wave(1, &[3, 2, 2]))
            .constant(wave(2, &[directions, 2, 2]))
            .constant(wave(3, &[directions, 2, 2]))
            .constant(wave(4, &[directions, 4]))
    }

    #[test]
    fn both_ways() {
        let case = rnn(2)
            .string("direction", "bidirectional")
            .strings("activations", &["Elu", "ScaledTanh"])
            .floats("activation_alpha", &[0.5, 0.8])
            .floats("activation_beta", &[1.5])
            .constant(ints(&[2], &[1, 3]))
            .input(wave(5, &[2, 2, 2]));
        case.output_gives(
            0,
            &[3, 2, 2, 2],
            &[
                -0.307233, -0.210622, -0.145447, -0.166928, 0.739372, -0.393822, 0.610954,
                0.362057, 0.0, 0.0, -0.296888, -0.193648, 0.0, 0.0, 0.774274, -0.151872, 0.0, 0.0,
                -0.238571, -0.0239924, 0.0, 0.0, 0.421574, -0.253468,
            ],
        );
        case.output_gives(
            1,
            &[2, 2, 2],
            &[
                -0.307233, -0.210622, -0.238571, -0.0239924, 0.739372, -0.393822, 0.610954,
                0.362057,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn backwards_and_clipped() {
        let case = rnn(1)
            .string("direction", "reverse")
            .float("clip", 0.4)
            .constant(ints(&[2], &[1, 0]))
            .constant(wave(5, &[1, 2, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                -0.379949, -0.379949, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            ],
        );
        case.output_gives(1, &[1, 2, 2], &[-0.379949, -0.379949, 0.0, 0.0]);
    }

    /// One step of the identity shows the activation of -2 and 0.3.
    #[test]
    fn activations() {
        let case = |name| {
            Case::new("RNN")
                .strings("activations", &[name])
                .input(floats(&[1, 1, 2], &[-2.0, 0.3]))
                .constant(floats(&[1, 2, 2], &[1.0, 0.0, 0.0, 1.0]))
                .constant(floats(&[1, 2, 2], &[0.0; 4]))
        };
        for (name, by_default, given) in [
            ("Relu", Some([0.0, 0.3]), [0.0, 0.3]),
            (
                "Tanh",
                Some([-0.9640276, 0.2913126]),
                [-0.9640276, 0.2913126],
            ),
            (
                "Sigmoid",
                Some([0.1192029, 0.5744425]),
                [0.1192029, 0.5744425],
            ),
            ("Affine", None, [0.2, 0.775]),
            ("LeakyRelu", Some([-0.02, 0.3]), [-0.5, 0.3]),
            ("ThresholdedRelu", Some([0.0, 0.0]), [0.0, 0.3]),
            ("ScaledTanh", None, [-0.2213379, 0.0517416]),
            ("HardSigmoid", Some([0.1, 0.56]), [0.2, 0.775]),
            ("Elu", Some([-0.8646647, 0.3]), [-0.2161662, 0.3]),
            (
                "Softsign",
                Some([-0.6666667, 0.2307693]),
                [-0.6666667, 0.2307693],
            ),
            (
                "softplus",
                Some([0.1269281, 0.8543552]),
                [0.1269281, 0.8543552],
            ),
        ] {
            if let Some(expected) = by_default {
                case(name).gives(&[1, 1, 1, 2], &expected);
            }
            let case = case(name)
                .floats("activation_alpha", &[0.25])
                .floats("activation_beta", &[0.7]);
            case.gives(&[1, 1, 1, 2], &given);
            case.gradient_agrees();
        }
    }

    #[test]
    fn faults() {
        // The schema's own default is for two directions.
        rnn(1)
            .strings("activations", &["Tanh"; 2])
            .gradient_agrees();
        rnn(1)
            .strings("activations", &["Tanh"; 3])
            .fails("3 activations, 1 are needed");
        Case::new("RNN")
            .input(wave(1, &[2, 2]))
            .input(wave(1, &[1, 2, 2]))
            .input(wave(1, &[1, 2, 2]))
            .fails("X and R must have 3 axes");
    }
}
