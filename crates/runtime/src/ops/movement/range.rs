//! Range: `start + i delta` up to, and without, `limit`; all three are known scalars.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fill::{ints, one};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, MAX_EXACT, Values};

struct Range;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Range))
}

impl<B: Backend> Operator<B> for Range {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let dtype = inputs.any(0)?.dtype;
        if (1..3).any(|i| inputs.get(i).is_none_or(|fact| fact.dtype != dtype)) {
            return Err(Fault::shape("start, limit and delta are not of one type"));
        }
        if inputs.any(0)?.is_float() {
            let [start, limit, delta] = [0, 1, 2].map(|i| inputs.floats(i).and_then(one));
            let (start, limit, delta) = (start?.into(), limit?.into(), delta?.into());
            return Ok(vec![Fact::new(dtype, vec![steps(start, limit, delta)?])]);
        }
        let [start, limit, delta] = [0, 1, 2].map(|i| inputs.ints(i).and_then(one));
        let (start, limit, delta) = (start?, limit?, delta?);
        let len = int_steps(start, limit, delta)?;
        // Every element lies between start and limit, so nothing wraps.
        let element = |i: usize| start.wrapping_add(delta.wrapping_mul(i as i64));
        Ok(vec![ints(dtype, vec![len], element)?])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let (start, delta) = match inputs.ints(0) {
            Ok(start) => {
                let ends = [one(start)?, one(inputs.ints(1)?)?];
                if ends.iter().any(|end| end.unsigned_abs() > MAX_EXACT as u64) {
                    return Err(Fault::Unsupported(
                        "a long range of integers beyond 2^24".into(),
                    ));
                }
                (ends[0] as f64, one(inputs.ints(2)?)? as f64)
            }
            Err(_) => (
                f64::from(one(inputs.floats(0)?)?),
                f64::from(one(inputs.floats(2)?)?),
            ),
        };
        let element = |i| (start + i as f64 * delta) as f32;
        let values = (0..count(shape)?).map(element).collect();
        Ok(vec![inputs.upload(shape, values)])
    }
}

fn steps(start: f64, limit: f64, delta: f64) -> Result<usize, Fault> {
    let steps = ((limit - start) / delta).ceil().max(0.0);
    // As f64, usize::MAX is 2^64.
    if delta == 0.0 || steps >= usize::MAX as f64 {
        return Err(endless());
    }
    Ok(steps as usize)
}

fn int_steps(start: i64, limit: i64, delta: i64) -> Result<usize, Fault> {
    let (way, delta) = (i128::from(limit) - i128::from(start), i128::from(delta));
    if delta == 0 {
        return Err(endless());
    }
    if way.signum() != delta.signum() {
        return Ok(0);
    }
    let steps = (way.abs() + delta.abs() - 1) / delta.abs();
    usize::try_from(steps).map_err(|_| endless())
}

fn endless() -> Fault {
    Fault::shape("the range does not end; delta must be finite and not 0")
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn integers() {
        let case = |values: [i64; 3]| {
            values.iter().fold(Case::new("Range"), |case, &value| {
                case.constant(ints(&[], &[value]))
            })
        };
        case([1, 6, 2]).gives_ints(&[3], &[1, 3, 5]);
        case([6, 1, -2]).gives_ints(&[3], &[6, 4, 2]);
        case([6, 2, -2]).gives_ints(&[2], &[6, 4]);
        case([1, 1, 1]).gives_ints(&[0], &[]);
        case([1, 0, 1]).gives_ints(&[0], &[]);
        case([0, 1, -1]).gives_ints(&[0], &[]);
        case([i64::MIN, i64::MAX, i64::MAX]).gives_ints(&[3], &[i64::MIN, -1, i64::MAX - 1]);
        case([0, 1, 0]).fails("does not end");
    }

    #[test]
    fn reals() {
        let case = |values: [f32; 3]| {
            values.iter().fold(Case::new("Range"), |case, &value| {
                case.constant(floats(&[], &[value]))
            })
        };
        case([1.0, 2.0, 0.3]).gives(&[4], &[1.0, 1.3, 1.6, 1.9]);
        case([1.0, -1.0, -1.0]).gives(&[2], &[1.0, 0.0]);
        case([0.0, 1.0, 0.0]).fails("does not end");
        case([0.0, f32::INFINITY, 1.0]).fails("does not end");
        case([f32::NAN, 1.0, 1.0]).gives(&[0], &[]);
        Case::new("Range")
            .input(floats(&[], &[0.0]))
            .constant(floats(&[], &[1.0]))
            .constant(floats(&[], &[1.0]))
            .fails("do not depend on the model's input");
    }
}
