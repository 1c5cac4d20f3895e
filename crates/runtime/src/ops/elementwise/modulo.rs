//! Mod: with `fmod` 0 the remainder of integers with the sign of the divisor, as Python has it; with
//! `fmod` 1 that of any numbers with the sign of the dividend, as C has it.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mask::is_below;
use crate::Fault;
use crate::ops::broadcast::{Rule, binary};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values, is_float};

struct Modulo<B: Backend> {
    /// Whether the sign is that of the divisor.
    by_divisor: bool,
    operator: Box<dyn Operator<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let by_divisor = node.attributes.int_or("fmod", 0)? == 0;
    let rule = match by_divisor {
        true => Rule {
            on_tensors: |left, right, _| whole::<B>(left, right),
            on_ints: |left, right| {
                let rest = left.checked_rem(right)?;
                let other = rest != 0 && (rest < 0) != (right < 0);
                Some(if other { rest + right } else { rest })
            },
            result: None,
        },
        false => Rule {
            on_tensors: by_dividend::<B>,
            on_ints: i64::checked_rem,
            result: None,
        },
    };
    let operator = binary(node, context, rule)?;
    Ok(Box::new(Modulo {
        by_divisor,
        operator,
    }))
}

impl<B: Backend> Operator<B> for Modulo<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        if self.by_divisor && inputs.any(0)?.is_float() {
            return Err(Fault::Unsupported("fmod 0 on floats".into()));
        }
        self.operator.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.operator.forward(inputs, outputs)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.operator.samples(samples, inputs, outputs)
    }
}

/// The remainder of whole numbers, with the sign of the divisor. Whatever the rounding of the quotient,
/// it is exact.
fn whole<B: Backend>(left: FloatTensor<B>, right: FloatTensor<B>) -> FloatTensor<B> {
    let quotient = B::float_round(B::float_div(left.clone(), right.clone()));
    let rest = B::float_sub(left, B::float_mul(quotient, right.clone()));
    let other = is_below::<B>(
        B::float_mul(rest.clone(), B::float_sign(right.clone())),
        0.0,
    );
    let moved = B::float_add(rest.clone(), right);
    B::float_mask_where(rest, other, moved)
}

/// The remainder with the sign of the dividend; its derivatives are 1 and minus the truncated quotient.
fn by_dividend<B: Backend>(
    left: FloatTensor<B>,
    right: FloatTensor<B>,
    dtype: DType,
) -> FloatTensor<B> {
    let (l, r) = (
        B::float_detach(left.clone()),
        B::float_detach(right.clone()),
    );
    let sign = B::float_sign(l.clone());
    let (size, divisor) = (B::float_abs(l.clone()), B::float_abs(r.clone()));
    let rest = match is_float(dtype) {
        true => B::float_remainder(size, divisor),
        false => whole::<B>(size, divisor),
    };
    let rest = B::float_mul(rest, sign);
    if !is_float(dtype) {
        return rest;
    }
    // In value both differences are zero.
    let quotient = B::float_trunc(B::float_div(l.clone(), r.clone()));
    let by_left = B::float_sub(left, l);
    let by_right = B::float_mul(quotient, B::float_sub(right, r));
    B::float_add(rest, B::float_sub(by_left, by_right))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let x = [-4, 7, 5, 4, -7, 8, 9, -9];
        let y = [2, -3, 8, -2, 3, 5, -3, 3];
        let python = [0.0, -2.0, 5.0, 0.0, 2.0, 3.0, 0.0, 0.0];
        let c = [0.0, 1.0, 5.0, 0.0, -1.0, 3.0, 0.0, 0.0];
        let case = || Case::new("Mod").input(ints(&[8], &x)).input(ints(&[8], &y));
        case().gives(&[8], &python);
        case().int("fmod", 1).gives(&[8], &c);
        let known = || {
            Case::new("Mod")
                .constant(ints(&[8], &x))
                .constant(ints(&[8], &y))
        };
        known().gives_ints(&[8], &python.map(|v| v as i64));
        known()
            .int("fmod", 1)
            .gives_ints(&[8], &c.map(|v| v as i64));
        Case::new("Mod")
            .constant(ints(&[1], &[1]))
            .constant(ints(&[1], &[0]))
            .fails("divided by zero");
        // Quotients that round to a neighbour.
        Case::new("Mod")
            .input(ints(&[3], &[16_777_215, -16_777_215, 9_999_999]))
            .input(ints(&[], &[7]))
            .gives(&[3], &[0.0, 0.0, 2.0]);
    }

    #[test]
    fn floats_have_the_sign_of_the_dividend() {
        let case = |x: &[f32], y: &[f32]| {
            Case::new("Mod")
                .int("fmod", 1)
                .input(floats(&[x.len()], x))
                .input(floats(&[y.len()], y))
        };
        case(
            &[-4.3, 7.2, 5.0, 4.3, -7.2, 8.0],
            &[2.1, -3.4, 8.0, -2.1, 3.4, 5.0],
        )
        .gives(&[6], &[-0.1, 0.4, 5.0, 0.1, -0.4, 3.0]);
        // A quotient beyond 2^24.
        case(&[1e9], &[7.0]).gives(&[1], &[6.0]);
        case(&[-4.3, 7.2, 0.0], &[2.0, -3.4, 5.0]).gradient_agrees();
        case(&[7.5, 3.0], &[2.0]).gradient_agrees();
        Case::new("Mod")
            .input(floats(&[1], &[1.0]))
            .input(floats(&[1], &[1.0]))
            .fails("fmod 0 on floats");
    }
}
