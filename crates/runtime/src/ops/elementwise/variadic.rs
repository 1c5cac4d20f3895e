//! Min, Max, Sum, Mean: over any number of inputs, with NumPy broadcasting. At ties the gradient of Min
//! and Max passes to the first input.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::mask::extreme;
use crate::Fault;
use crate::ops::broadcast::{broadcast, fits_host, same_rank, stretch, stretched};
use crate::ops::samples::{Samples, broadcast_samples};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

enum Variadic {
    Min,
    Max,
    Sum,
    Mean,
}

pub(super) fn min<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Variadic::Min))
}

pub(super) fn max<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Variadic::Max))
}

pub(super) fn sum<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Variadic::Sum))
}

pub(super) fn mean<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Variadic::Mean))
}

impl Variadic {
    /// The result for integers that are all known.
    fn on_ints(&self, inputs: &Facts, shape: &[usize]) -> Result<Option<Fact>, Fault> {
        let pick = match self {
            Variadic::Min => i64::min,
            Variadic::Max => i64::max,
            Variadic::Sum | Variadic::Mean => return Ok(None),
        };
        let facts: Vec<&Fact> = inputs.0.iter().flatten().collect();
        if !fits_host(shape, &facts)? {
            return Ok(None);
        }
        let mut result: Option<Vec<i64>> = None;
        for i in 0..inputs.len() {
            let fact = inputs.any(i)?;
            let Some(values) = fact.known_ints() else {
                return Ok(None);
            };
            let values = stretched(values, fact.shape(), shape)?;
            result = Some(match result {
                Some(so_far) => so_far
                    .into_iter()
                    .zip(values)
                    .map(|(a, b)| pick(a, b))
                    .collect(),
                None => values,
            });
        }
        let dtype = inputs.any(0)?.dtype;
        let elements = result.map(Elements::Int);
        Ok(elements.map(|elements| Fact::known(dtype, shape.to_vec(), elements)))
    }
}

impl<B: Backend> Operator<B> for Variadic {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let first = inputs.any(0)?;
        let mut shape = first.shape().to_vec();
        for i in 0..inputs.len() {
            match self {
                Variadic::Sum | Variadic::Mean => inputs.float(i)?,
                Variadic::Min | Variadic::Max => inputs.shape(i)?,
            };
            if inputs.any(i)?.dtype != first.dtype {
                return Err(Fault::shape("the inputs have several types"));
            }
            shape = broadcast(&shape, inputs.any(i)?.shape())?;
        }
        let known = self.on_ints(inputs, &shape)?;
        Ok(vec![known.unwrap_or_else(|| first.with_shape(shape))])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let mut result = inputs.tensor(0)?;
        for i in 1..inputs.len() {
            let next = inputs.tensor(i)?;
            result = match self {
                Variadic::Min => extreme::<B>(false, result, next, shape),
                Variadic::Max => extreme::<B>(true, result, next, shape),
                Variadic::Sum | Variadic::Mean => {
                    let (left, right) = same_rank::<B>(result, next);
                    B::float_add(left, right)
                }
            };
        }
        let result = stretch::<B>(result, shape);
        Ok(vec![match self {
            Variadic::Mean => B::float_div_scalar(result, (inputs.len() as f32).into()),
            _ => result,
        }])
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
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        for (op, y) in [
            ("Min", [1.5, 0.0, -2.0, -2.0]),
            ("Max", [3.0, 2.0, 3.0, 1.5]),
            ("Sum", [6.5, 3.5, 2.5, -0.5]),
            ("Mean", [6.5 / 3.0, 3.5 / 3.0, 2.5 / 3.0, -0.5 / 3.0]),
        ] {
            let case = || {
                Case::new(op)
                    .input(floats(&[1], &[1.5]))
                    .input(floats(&[2], &[3.0, 0.0]))
                    .input(floats(&[2, 1], &[2.0, -2.0]))
            };
            case().gives(&[2, 2], &y);
            case().gradient_agrees();
            case()
                .input(floats(&[3], &[0.0; 3]))
                .fails("do not broadcast");
            case().input(ints(&[1], &[1])).fails(match op {
                "Min" | "Max" => "several types",
                _ => "does not hold floats",
            });
            let one = Case::new(op).input(floats(&[2], &[3.0, 0.5]));
            one.gives(&[2], &[3.0, 0.5]);
            one.gradient_agrees();
        }
        Case::new("Max")
            .constant(texts(&[1], &["a"]))
            .fails("holds text");
    }

    #[test]
    fn many_axes() {
        let case = Case::new("Max")
            .input(floats(&[1, 1, 1, 1, 1, 1, 2, 1, 1, 1], &[1.0, 4.0]))
            .input(floats(&[2, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[2.0, 3.0]));
        case.gives(&[2, 1, 1, 1, 1, 1, 2, 1, 1, 1], &[2.0, 4.0, 3.0, 4.0]);
        case.gradient_agrees();
    }

    #[test]
    fn nan_wins() {
        for op in ["Min", "Max"] {
            for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
                Case::new(op)
                    .input(floats(&[1], &[a]))
                    .input(floats(&[1], &[b]))
                    .gives(&[1], &[f32::NAN]);
            }
        }
    }

    #[test]
    fn integers() {
        let case = |op| {
            Case::new(op)
                .constant(ints(&[2, 1], &[1 << 40, -3]))
                .constant(ints(&[2], &[5, -7]))
        };
        case("Max").gives_ints(&[2, 2], &[1 << 40, 1 << 40, 5, -3]);
        case("Min").gives_ints(&[2, 2], &[5, -7, -3, -7]);
        let fed = |op| {
            Case::new(op)
                .input(ints(&[2], &[4, -4]))
                .constant(ints(&[], &[0]))
        };
        fed("Max").gives(&[2], &[4.0, 0.0]);
        fed("Min").gives(&[2], &[0.0, -4.0]);
    }
}
