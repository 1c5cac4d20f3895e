//! LpPool: the Lp norm of each window, over one to three spatial axes. Padding is zero.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::average_pool::padded_mean;
use super::place::{Axis, Window, outputs};
use super::separable::passes;
use crate::Fault;
use crate::ops::normalise::lp;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LpPool {
    window: Window,
    p: i32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(LpPool {
        window: Window::parse(node)?,
        p: lp::order(node)?,
    }))
}

impl<B: Backend> Operator<B> for LpPool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let out = outputs(&self.window.place_pool(x)?);
        let planes = x.get(..2).unwrap_or_default();
        Ok(vec![inputs.any(0)?.with_shape([planes, &out].concat())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.window.place_pool(&inputs.shape(0)?)?;
        let powers = lp::power::<B>(inputs.tensor(0)?, self.p);
        let mean = passes::<B>(powers, &axes, padded_mean::<B>);
        let places: f32 = axes.iter().map(|axis: &Axis| axis.kernel as f32).product();
        let sum = B::float_mul_scalar(mean, places.into());
        Ok(vec![lp::root::<B>(sum, self.p)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let pool = || {
            Case::new("LpPool")
                .input(floats(&[1, 1, 2, 2], &[3.0, -4.0, 0.5, 12.0]))
                .ints("kernel_shape", &[1, 2])
        };
        pool().gives(&[1, 1, 2, 1], &[5.0, 12.010412]);
        pool().int("p", 1).gives(&[1, 1, 2, 1], &[7.0, 12.5]);
        pool()
            .int("p", 3)
            .gives(&[1, 1, 2, 1], &[4.497941, 12.000289]);
        pool().int("p", 3).gradient_agrees();
        let padded = pool().ints("pads", &[0, 1, 0, 0]).ints("strides", &[1, 2]);
        padded.gives(&[1, 1, 2, 1], &[3.0, 0.5]);
        padded.gradient_agrees();
        pool().ints("dilations", &[1, 1]).gradient_agrees();
        pool().int("p", 0).fails("p 0");
        Case::new("LpPool")
            .input(floats(&[1, 1, 2, 2], &[0.0; 4]))
            .string("auto_pad", "SAME_LOWER")
            .ints("kernel_shape", &[1 << 20, 2])
            .fails("padding for the most part");
        pool().ints("pads", &[0, 2, 0, 0]).fails("padding alone");
    }

    #[test]
    fn zeros_have_no_gradient() {
        Case::new("LpPool")
            .input(floats(&[1, 1, 4], &[0.0, 0.0, 1.0, 2.0]))
            .ints("kernel_shape", &[2])
            .ints("strides", &[2])
            .gives(&[1, 1, 2], &[0.0, 5.0f32.sqrt()]);
    }
}
