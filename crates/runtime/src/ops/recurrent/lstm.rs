//! LSTM, of the gates i, o, f and c, with f = Sigmoid, g = h = Tanh:
//!
//! - `i = f(X Wi^T + H Ri^T + Pi C + Wbi + Rbi)`, and f likewise; or `f = 1 - i` with `input_forget`;
//! - `C' = f C + i g(X Wc^T + H Rc^T + Wbc + Rbc)`;
//! - `o = f(X Wo^T + H Ro^T + Po C' + Wbo + Rbo)` and `H' = o h(C')`.
//!
//! X is \[time, batch, input\], W \[directions, 4 hidden, input\], R \[directions, 4 hidden, hidden\]; Y
//! is \[time, directions, batch, hidden\], Y_h and Y_c \[directions, batch, hidden\].

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::layer::{Kind, Layer};
use super::walk::{Cell, Direction};
use crate::Fault;
use crate::ops::part::parts;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Lstm {
    layer: Layer,
    input_forget: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let kind = Kind {
        gates: 4,
        activations: &["Sigmoid", "Tanh", "Tanh"],
        states: &[5, 6],
        own_bias: false,
    };
    Ok(Box::new(Lstm {
        layer: Layer::parse(node, context, kind)?,
        input_forget: node.attributes.int_or("input_forget", 0)? != 0,
    }))
}

impl<B: Backend> Operator<B> for Lstm {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.layer.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let input_forget = self.input_forget;
        self.layer
            .forward(inputs, |direction| cell(direction, input_forget))
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

fn cell<B: Backend>(direction: &Direction<B>, input_forget: bool) -> Cell<'_, B, 2> {
    let peepholes = direction.peepholes.clone().map(|p| parts::<B, 3>(p, 1));
    Box::new(move |x, [h, c]| {
        let gates = B::float_add(x, B::float_matmul(h, direction.weights.clone()));
        let [mut i, mut o, mut f, new] = parts::<B, 4>(gates, 1);
        if let Some([pi, _, pf]) = &peepholes {
            i = B::float_add(i, B::float_mul(c.clone(), pi.clone()));
            f = B::float_add(f, B::float_mul(c.clone(), pf.clone()));
        }
        let i = direction.activate(0, i);
        let f = match input_forget {
            true => B::float_add_scalar(B::float_neg(i.clone()), 1.0f32.into()),
            false => direction.activate(0, f),
        };
        let new = B::float_mul(i, direction.activate(1, new));
        let c = B::float_add(B::float_mul(f, c), new);
        if let Some([_, po, _]) = &peepholes {
            o = B::float_add(o, B::float_mul(c.clone(), po.clone()));
        }
        // The clip is of what the gates take, not of the cell.
        let h = B::float_mul(
            direction.activate(0, o),
            direction.activate_unclipped(2, c.clone()),
        );
        [h, c]
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Operand, floats, ints, wave};

    /// 3 steps, 2 samples, 2 inputs, 2 units; with a bias, of `directions`.
    fn lstm(directions: usize) -> Case {
        Case::new("LSTM")
            .outputs(3)
            .input(wave(1, &[3, 2, 2]))
            .constant(wave(2, &[directions, 8, 2]))
            .constant(wave(3, &[directions, 8, 2]))
            .constant(wave(4, &[directions, 16]))
    }

    fn state(seed: usize, directions: usize) -> Operand {
        wave(seed, &[directions, 2, 2])
    }

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn bare() {
        let case = Case::new("LSTM")
            .int("hidden_size", 2)
            .outputs(3)
            .input(wave(1, &[3, 2, 2]))
            .input(wave(2, &[1, 8, 2]))
            .input(wave(3, &[1, 8, 2]));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                0.0975583, -0.0579512, -0.0554677, 0.0528253, 0.00358562, -0.0275468, 0.0552465,
                -0.0236562, -0.0608052, 0.073255, -0.0264443, 0.0265481,
            ],
        );
        case.output_gives(
            1,
            &[1, 2, 2],
            &[-0.0608052, 0.073255, -0.0264443, 0.0265481],
        );
        case.output_gives(2, &[1, 2, 2], &[-0.132584, 0.122281, -0.0591654, 0.0495597]);
        case.gradient_agrees();
    }

    #[test]
    fn both_ways_with_lengths_and_peepholes() {
        let with = |case: Case| {
            case.input(state(5, 2))
                .input(state(6, 2))
                .constant(wave(7, &[2, 6]))
        };
        let lengths = || ints(&[2], &[3, 2]);
        let both = || lstm(2).string("direction", "bidirectional");
        for case in [both().constant(lengths()), both().input(lengths())] {
            let case = with(case);
            case.output_gives(
                0,
                &[3, 2, 2, 2],
                &[
                    0.183596,
                    -0.00600275,
                    0.154266,
                    0.152558,
                    -0.547474,
                    0.181541,
                    -0.311017,
                    0.13203,
                    0.0557514,
                    0.077095,
                    0.165162,
                    0.065525,
                    -0.371692,
                    0.225183,
                    -0.241075,
                    0.0202414,
                    -0.00396203,
                    0.185406,
                    0.0,
                    0.0,
                    -0.198898,
                    0.298987,
                    0.0,
                    0.0,
                ],
            );
            case.output_gives(
                1,
                &[2, 2, 2],
                &[
                    -0.00396203,
                    0.185406,
                    0.165162,
                    0.065525,
                    -0.547474,
                    0.181541,
                    -0.311017,
                    0.13203,
                ],
            );
            case.output_gives(
                2,
                &[2, 2, 2],
                &[
                    -0.00957593,
                    0.522839,
                    0.338812,
                    0.280874,
                    -0.877244,
                    0.733202,
                    -0.568147,
                    0.36465,
                ],
            );
            case.gradient_agrees();
        }
    }

    #[test]
    fn backwards_clipped_and_coupled() {
        let case = lstm(1)
            .string("direction", "reverse")
            .float("clip", 0.3)
            .int("input_forget", 1)
            .constant(ints(&[2], &[2, 0]))
            .constant(state(5, 1))
            .constant(state(6, 1));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                0.128192, 0.0344108, 0.0, 0.0, 0.0985349, 0.0259069, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            ],
        );
        case.output_gives(1, &[1, 2, 2], &[0.128192, 0.0344108, 0.0, 0.0]);
        case.output_gives(2, &[1, 2, 2], &[0.236865, 0.0810375, 0.0, 0.0]);
    }

    #[test]
    fn other_activations() {
        let case = lstm(1)
            .strings("activations", &["HardSigmoid", "Softsign", "LeakyRelu"])
            .floats("activation_alpha", &[0.3, 0.1])
            .floats("activation_beta", &[0.4])
            .absent()
            .constant(state(5, 1))
            .constant(state(6, 1));
        case.output_gives(
            0,
            &[3, 1, 2, 2],
            &[
                0.0799958,
                0.0,
                0.132976,
                0.046328,
                0.0170384,
                0.0104608,
                0.11196,
                0.0028523,
                -0.000190895,
                0.0579326,
                0.0352373,
                0.0315161,
            ],
        );
        case.output_gives(
            1,
            &[1, 2, 2],
            &[-0.000190895, 0.0579326, 0.0352373, 0.0315161],
        );
        case.output_gives(2, &[1, 2, 2], &[-0.00619111, 0.313372, 0.120617, 0.291322]);
    }

    #[test]
    fn batch_first() {
        // One step: 3 samples, 2 units.
        let case = |x: &[usize], state: &[usize]| {
            Case::new("LSTM")
                .opset(14)
                .outputs(3)
                .input(wave(1, x))
                .constant(wave(2, &[1, 8, 2]))
                .constant(wave(3, &[1, 8, 2]))
                .absent()
                .absent()
                .constant(floats(state, &[0.5, -0.5, 0.5, -0.5, 0.5, -0.5]))
        };
        let expected = [
            0.180189, -0.0107073, 0.00479832, 0.102162, 0.0180155, 0.0604465,
        ];
        let time_first = case(&[1, 3, 2], &[1, 3, 2]);
        time_first.output_gives(0, &[1, 1, 3, 2], &expected);
        time_first.output_gives(1, &[1, 3, 2], &expected);
        let batch_first = case(&[3, 1, 2], &[3, 1, 2]).int("layout", 1);
        batch_first.output_gives(0, &[3, 1, 1, 2], &expected);
        batch_first.output_gives(1, &[3, 1, 2], &expected);
        batch_first.gradient_agrees();
    }

    #[test]
    fn a_state_of_one_sample_serves_all() {
        let case = |state: Operand| lstm(1).absent().input(state);
        let once = || floats(&[1, 1, 2], &[0.5, -0.25]);
        let expected = [
            0.081718, 0.0349992, -0.0185097, 0.130324, 0.0135391, 0.0824014, 0.0275696, 0.0530911,
            -0.0325603, 0.162577, -0.0175803, 0.114158,
        ];
        case(once()).gives(&[3, 1, 2, 2], &expected);
        case(once()).gradient_agrees();
    }

    #[test]
    fn faults() {
        lstm(2).fails("instead of [1, 8, 2]");
        lstm(1).int("hidden_size", 3).fails("hidden_size is 3");
        lstm(1).string("direction", "up").fails("direction \"up\"");
        lstm(1).float("clip", 0.0).fails("clip must be positive");
        lstm(1)
            .strings("activations", &["Tanh"])
            .fails("1 activations, 3 are needed");
        lstm(1)
            .strings("activations", &["Sigmoid", "Tanh", "Sine"])
            .fails("activation Sine is not supported");
        lstm(1)
            .strings("activations", &["Sigmoid", "Affine", "Tanh"])
            .fails("Affine needs activation_alpha");
        let lengths = |shape: &[usize], lengths: &[i64]| lstm(1).constant(ints(shape, lengths));
        lengths(&[2], &[1, 4]).fails("exceeds the 3 time steps");
        lengths(&[2], &[1, -1]).fails("exceeds the 3 time steps");
        lengths(&[3], &[1, 1, 1]).fails("not 2 integers");
        lstm(1)
            .absent()
            .input(wave(1, &[1, 3, 2]))
            .fails("a batch of 1 or 2");
        Case::new("LSTM")
            .input(wave(1, &[0, 2, 2]))
            .input(wave(1, &[1, 8, 2]))
            .input(wave(1, &[1, 8, 2]))
            .fails("is empty");
        Case::new("LSTM")
            .input(wave(1, &[1, 2, 2]))
            .fails("input 2 is missing");
    }
}
