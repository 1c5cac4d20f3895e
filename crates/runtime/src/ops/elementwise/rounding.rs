//! Floor, Ceil, Round (halves to even): of floats of any shape, by steps, which go as the input does.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::unary::unary_by_steps;
use crate::ops::{Context, Parsed};

pub(super) fn floor<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_by_steps(|x| B::float_floor(x), |x| x)
}

pub(super) fn ceil<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_by_steps(|x| B::float_ceil(x), |x| x)
}

pub(super) fn round<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_by_steps(|x| B::float_round(x), |x| x)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let x = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.499_999_97, 8_388_609.0];
        for (op, y) in [
            ("Floor", [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 0.0, 8_388_609.0]),
            ("Ceil", [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 1.0, 8_388_609.0]),
            ("Round", [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 8_388_609.0]),
        ] {
            // Split, since the tolerance is relative to the largest value.
            let case = |range: std::ops::Range<usize>| {
                let n = range.len();
                Case::new(op)
                    .input(floats(&[n], &x[range.clone()]))
                    .gives(&[n], &y[range]);
            };
            case(0..7);
            case(7..8);
        }
    }
}
