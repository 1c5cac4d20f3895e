//! Where: the elements of `x` where a condition holds, those of `y` elsewhere; all three broadcast. Any
//! type. The condition is a step from `y` to `x`, which goes as the condition's own stand-in does.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mask::{choose, is};
use crate::Fault;
use crate::ops::broadcast::{broadcast, stretch};
use crate::ops::samples::{Samples, broadcast_samples};
use crate::ops::stand_in::{FAR, moving};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Where;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Where))
}

impl<B: Backend> Operator<B> for Where {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (condition, x, y) = (inputs.any(0)?, inputs.any(1)?, inputs.any(2)?);
        if condition.dtype != DType::Bool {
            let what = "does not hold booleans, which are needed";
            return Err(Fault::Input { index: 0, what });
        }
        if x.dtype != y.dtype {
            return Err(Fault::shape(format!(
                "the inputs are {} and {}; one type is needed",
                x.dtype, y.dtype
            )));
        }
        let shape = broadcast(condition.shape(), &broadcast(x.shape(), y.shape())?)?;
        Ok(vec![x.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let moves = inputs.stand_ins && !inputs.fact(0).is_some_and(Fact::is_known);
        let condition = stretch::<B>(inputs.tensor(0)?, shape);
        let x = stretch::<B>(inputs.tensor(1)?, shape);
        let y = stretch::<B>(inputs.tensor(2)?, shape);
        let near = moves.then(|| {
            let step = B::float_sub(B::float_detach(x.clone()), B::float_detach(y.clone()));
            let step = B::float_clamp(step, (-FAR).into(), FAR.into());
            B::float_mul(condition.clone(), step)
        });
        let no = is::<B>(B::float_detach(condition), 0.0);
        Ok(vec![moving::<B>(choose::<B>(no, y, x), near)])
    }

    fn moves(&self, index: usize) -> bool {
        index > 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        broadcast_samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, floats, ints, texts};

    #[test]
    fn values() {
        let condition = || bools(&[2, 1], &[true, false]);
        let case = |x, y| Case::new("Where").input(condition()).input(x).input(y);
        let numbers = || case(floats(&[2], &[1.0, 2.0]), floats(&[], &[-9.0]));
        numbers().gives(&[2, 2], &[1.0, 2.0, -9.0, -9.0]);
        numbers().gradient_agrees();
        case(ints(&[2], &[1, 2]), ints(&[1], &[7])).gives(&[2, 2], &[1.0, 2.0, 7.0, 7.0]);
        case(floats(&[2], &[1.0, 2.0]), floats(&[3], &[0.0; 3])).fails("do not broadcast");
        case(floats(&[1], &[1.0]), ints(&[1], &[1])).fails("one type is needed");
        // What is not chosen does not matter.
        case(floats(&[1], &[f32::NAN]), floats(&[1], &[1.0])).gives(&[2, 1], &[f32::NAN, 1.0]);
        Case::new("Where")
            .input(floats(&[1], &[1.0]))
            .input(floats(&[1], &[1.0]))
            .input(floats(&[1], &[1.0]))
            .fails("input 0 does not hold booleans");
    }

    #[test]
    fn known_elements() {
        let case = |x, y| {
            Case::new("Where")
                .constant(bools(&[3], &[true, false, true]))
                .constant(x)
                .constant(y)
        };
        case(ints(&[], &[1 << 40]), ints(&[3], &[4, 5, 6]))
            .gives_ints(&[3], &[1 << 40, 5, 1 << 40]);
        case(texts(&[1], &["a"]), texts(&[3], &["b", "c", "d"]))
            .gives_texts(&[3], &["a", "c", "a"]);
    }
}
