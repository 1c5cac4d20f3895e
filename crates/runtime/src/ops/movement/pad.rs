//! Pad: elements before and after each axis; negative pads crop. Modes: constant, edge, reflect
//! (without repeating the end) and wrap. Pads are an attribute up to opset 10, then an input; from
//! opset 18 on they may name their axes.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, FloatDType, Shape, Slice, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fill::one;
use super::rows::upload;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Values};

const EXACT: u64 = MAX_EXACT as u64;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Constant,
    Edge,
    Reflect,
    Wrap,
}

struct Pad {
    mode: Mode,
    /// Opset 10 and before: pads and the constant.
    attributes: Option<(Vec<i64>, f32)>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let mode = match node.attributes.string("mode")?.unwrap_or("constant") {
        "constant" => Mode::Constant,
        "edge" => Mode::Edge,
        "reflect" => Mode::Reflect,
        "wrap" => Mode::Wrap,
        other => return Err(Fault::Unsupported(format!("mode {other}"))),
    };
    let attributes = match context.opset {
        ..11 => {
            let pads = node.attributes.ints("pads")?;
            let pads = pads.ok_or_else(|| Fault::shape("attribute pads is missing"))?;
            Some((pads.to_vec(), node.attributes.float_or("value", 0.0)?))
        }
        _ => None,
    };
    Ok(Box::new(Pad { mode, attributes }))
}

impl Pad {
    /// Elements before and after each axis.
    fn pads<'a>(
        &'a self,
        rank: usize,
        ints: impl Fn(usize) -> Result<Option<&'a [i64]>, Fault>,
    ) -> Result<Vec<(i64, i64)>, Fault> {
        let (pads, named) = match &self.attributes {
            Some((pads, _)) => (pads.as_slice(), None),
            None => {
                let pads = ints(1)?.ok_or_else(|| Fault::shape("no pads are given"))?;
                (pads, ints(3)?)
            }
        };
        let all: Vec<i64> = (0..rank as i64).collect();
        let named = named.unwrap_or(&all);
        crate::ops::axes(named, rank)?;
        let (before, after) = pads.split_at(pads.len() / 2);
        if before.len() != named.len() || after.len() != named.len() {
            return Err(Fault::shape(format!(
                "{} pads are not two for each of {} axes",
                pads.len(),
                named.len()
            )));
        }
        let mut both = vec![(0, 0); rank];
        for ((&axis, &before), &after) in named.iter().zip(before).zip(after) {
            if let Some(place) = both.get_mut(crate::ops::axis(axis, rank)?) {
                *place = (before, after);
            }
        }
        Ok(both)
    }

    /// What fills in constant mode; `None` where a run computes it.
    fn value<B: Backend>(&self, inputs: &Values<B>) -> Result<Option<f32>, Fault> {
        if let Some((_, value)) = self.attributes {
            return Ok(Some(value));
        }
        match inputs.fact(2).map(Fact::elements) {
            None => Ok(Some(0.0)),
            Some(None) => Ok(None),
            Some(Some(Elements::Float(values))) => one(values).map(Some),
            Some(Some(Elements::Int(values))) if one(values)?.unsigned_abs() <= EXACT => {
                Ok(Some(one(values)? as f32))
            }
            Some(_) => Err(Fault::Unsupported("a value of text or beyond 2^24".into())),
        }
    }

    /// Fills around `x`.
    fn fill<B: Backend>(
        &self,
        inputs: &mut Values<B>,
        x: Option<FloatTensor<B>>,
        pads: &[(usize, usize)],
        out: &[usize],
    ) -> Result<FloatTensor<B>, Fault> {
        let value = self.value(inputs)?;
        let x = match (x, value) {
            (Some(x), _) if pads.iter().all(|&pad| pad == (0, 0)) => return Ok(x),
            (Some(x), Some(value)) => {
                return Ok(B::float_pad(x, pads, PadMode::Constant(value)));
            }
            (x, _) => x,
        };
        let shape = Shape::from(out.to_vec());
        let full = match value {
            Some(value) => B::float_full(shape, value.into(), inputs.device, FloatDType::F32),
            None => {
                let zeros = B::float_zeros(shape.clone(), inputs.device, FloatDType::F32);
                let value = B::float_reshape(inputs.tensor(2)?, Shape::from(vec![1; out.len()]));
                B::float_add(zeros, B::float_expand(value, shape))
            }
        };
        let Some(x) = x else { return Ok(full) };
        let range = |(&(before, after), &size): (&(usize, usize), &usize)| {
            Slice::from(before..size.saturating_sub(after))
        };
        let middle: Vec<Slice> = pads.iter().zip(out).map(range).collect();
        Ok(B::float_slice_assign(full, &middle, x))
    }
}

impl<B: Backend> Operator<B> for Pad {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let pads = self.pads(data.shape().len(), |i| inputs.optional_ints(i))?;
        if self.mode == Mode::Constant
            && self.attributes.is_none()
            && let Some(value) = inputs.get(2)
            && value.len() != 1
        {
            let what = "is not one element";
            return Err(Fault::Input { index: 2, what });
        }
        let mut shape = Vec::with_capacity(pads.len());
        for (&size, (before, after)) in data.shape().iter().zip(pads) {
            let cropped = size as i128 + i128::from(before.min(0)) + i128::from(after.min(0));
            let padded = cropped + i128::from(before.max(0)) + i128::from(after.max(0));
            if cropped < 0 {
                return Err(Fault::shape(format!(
                    "more than the {size} entries of an axis are cropped"
                )));
            }
            if self.mode != Mode::Constant && cropped == 0 && padded > 0 {
                return Err(Fault::shape("an axis without entries has no edge"));
            }
            shape.push(usize::try_from(padded).map_err(|_| Fault::shape("an axis overflows"))?);
        }
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let pads = self.pads(shape.len(), |i| inputs.optional_ints(i))?;
        let cropped: Vec<Slice> = shape.iter().zip(&pads).map(crop).collect();
        let sizes: Vec<usize> = cropped.iter().zip(&shape).map(len).collect();
        // Inferred, so both fit.
        let added = |(before, after): (i64, i64)| (before.max(0) as usize, after.max(0) as usize);
        let pads: Vec<(usize, usize)> = pads.into_iter().map(added).collect();
        let x = match sizes.contains(&0) {
            true => None,
            false if sizes == shape => Some(inputs.tensor(0)?),
            false => Some(B::float_slice(inputs.tensor(0)?, &cropped)),
        };
        let mut x = match (self.mode, x) {
            (Mode::Constant, x) => {
                let out = outputs.first().map(Fact::shape).unwrap_or_default();
                return Ok(vec![self.fill(&mut inputs, x, &pads, out)?]);
            }
            (_, Some(x)) => x,
            (_, None) => return Err(Fault::shape("an axis without entries has no edge")),
        };
        let device = inputs.device;
        for (axis, (&size, pad)) in sizes.iter().zip(pads).enumerate() {
            if pad != (0, 0) {
                let sources = sources(self.mode, size, pad);
                x = B::float_select(x, axis, upload::<B>(sources, device)?);
            }
        }
        Ok(vec![x])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0 || index == 2
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = inputs.get(0)?.shape().len();
        let pads = self.pads(rank, |i| inputs.optional_ints(i)).ok()?;
        let place = samples.first().copied().flatten()?;
        (pads.get(place.axis) == Some(&(0, 0))).then(|| vec![Some(place)])
    }
}

/// What negative pads leave of an axis.
fn crop((&size, &(before, after)): (&usize, &(i64, i64))) -> Slice {
    let cut = |pad: i64| pad.min(0).unsigned_abs() as usize;
    let start = cut(before).min(size);
    Slice::from(start..size.saturating_sub(cut(after)).max(start))
}

fn len((range, &size): (&Slice, &usize)) -> usize {
    range.to_range(size).len()
}

/// For each entry of a padded axis, the entry that it repeats.
fn sources(mode: Mode, size: usize, (before, after): (usize, usize)) -> Vec<usize> {
    let (size, last) = (size as i64, size as i64 - 1);
    let source = |i: i64| match mode {
        Mode::Wrap => i.rem_euclid(size),
        // Back and forth between the ends.
        Mode::Reflect if last > 0 => last - (i.rem_euclid(2 * last) - last).abs(),
        _ => i.clamp(0, last),
    };
    let places = -(before as i64)..size + after as i64;
    places.map(|i| source(i) as usize).collect()
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints, texts};

    fn case(mode: &str, size: usize, pads: [i64; 2]) -> Case {
        Case::new("Pad")
            .opset(19)
            .string("mode", mode)
            .input(counting(&[size]))
            .constant(ints(&[2], &pads))
    }

    #[test]
    fn modes() {
        case("constant", 2, [1, 2]).gives(&[5], &[0.0, 0.0, 1.0, 0.0, 0.0]);
        case("edge", 2, [1, 2]).gives(&[5], &[0.0, 0.0, 1.0, 1.0, 1.0]);
        case("reflect", 5, [-1, 2]).gives(&[6], &[1.0, 2.0, 3.0, 4.0, 3.0, 2.0]);
        case("reflect", 3, [4, 3])
            .gives(&[10], &[0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0]);
        case("reflect", 1, [2, 1]).gives(&[4], &[0.0; 4]);
        case("wrap", 3, [4, 1]).gives(&[8], &[2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]);
        case("wrap", 5, [-1, 2]).gives(&[6], &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0]);
        case("constant", 5, [-2, 2]).gives(&[5], &[2.0, 3.0, 4.0, 0.0, 0.0]);
        case("constant", 2, [-2, 2]).gives(&[2], &[0.0, 0.0]);
        case("constant", 2, [-1, -1]).gives(&[0], &[]);
        for mode in ["constant", "edge", "reflect", "wrap"] {
            case(mode, 3, [2, 1]).gradient_agrees();
            case(mode, 3, [-1, 1]).gradient_agrees();
        }
    }

    #[test]
    fn forms() {
        Case::new("Pad")
            .opset(10)
            .ints("pads", &[0, 1, 0, 0])
            .float("value", 5.0)
            .input(counting(&[1, 2]))
            .gives(&[1, 3], &[5.0, 0.0, 1.0]);
        Case::new("Pad")
            .opset(18)
            .input(counting(&[1, 2]))
            .constant(ints(&[2], &[0, 1]))
            .constant(floats(&[], &[-1.0]))
            .constant(ints(&[1], &[-2]))
            .gives(&[2, 2], &[0.0, 1.0, -1.0, -1.0]);
        Case::new("Pad")
            .constant(ints(&[1], &[i64::MAX]))
            .constant(ints(&[2], &[1, 1]))
            .constant(ints(&[], &[i64::MIN]))
            .gives_ints(&[3], &[i64::MIN, i64::MAX, i64::MIN]);
        Case::new("Pad")
            .constant(texts(&[1], &["a"]))
            .constant(ints(&[2], &[1, 0]))
            .gives_texts(&[2], &["", "a"]);
        Case::new("Pad")
            .input(ints(&[1], &[7]))
            .constant(ints(&[2], &[1, 0]))
            .constant(ints(&[], &[3]))
            .gives(&[2], &[3.0, 7.0]);
        let computed = Case::new("Pad")
            .input(counting(&[2]))
            .constant(ints(&[2], &[2, -1]))
            .input(floats(&[1], &[5.0]));
        computed.gives(&[3], &[5.0, 5.0, 0.0]);
        computed.gradient_agrees();
        Case::new("Pad")
            .input(counting(&[0, 1]))
            .constant(ints(&[4], &[1, 0, 0, 0]))
            .constant(floats(&[], &[2.0]))
            .gives(&[1, 1], &[2.0]);
    }

    #[test]
    fn faults() {
        case("mirror", 2, [1, 1]).fails("mode mirror is not supported");
        case("edge", 2, [-3, 0]).fails("more than the 2 entries");
        case("edge", 2, [-2, 1]).fails("no edge");
        case("constant", 2, [i64::MAX, i64::MAX]).fails("overflows");
        case("constant", 2, [i64::MIN, 0]).fails("more than the 2 entries");
        let pads = |pads: &[i64]| {
            Case::new("Pad")
                .input(counting(&[2]))
                .constant(ints(&[pads.len()], pads))
        };
        pads(&[1]).fails("1 pads are not two for each of 1 axes");
        pads(&[1, 1])
            .constant(floats(&[2], &[1.0, 2.0]))
            .fails("is not one element");
        Case::new("Pad")
            .opset(2)
            .input(counting(&[2]))
            .fails("pads is missing");
    }
}
