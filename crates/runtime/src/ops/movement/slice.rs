//! Slice: from `start` to before `end` by `step` along each named axis, as NumPy has it. Up to
//! opset 9 they are attributes, and steps are 1; then known inputs.

use burn_backend::{Backend, Slice as Range, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::layer::{Inputs, MAX_CHANNELS, Part};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

enum Slice {
    Attributes {
        starts: Vec<i64>,
        ends: Vec<i64>,
        axes: Option<Vec<i64>>,
    },
    Inputs,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Slice::of(node, context.opset)?))
}

/// Cuts of the channels alone.
pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let x = inputs.facts.get(0)?.shape();
    let slice = Slice::of(inputs.node, inputs.opset).ok()?;
    let cuts = slice.cuts(x, |i| inputs.facts.optional_ints(i)).ok()?;
    let whole = |cut: &Cut, len: &usize| cut.start == 0 && cut.step == 1 && cut.len == *len;
    let mut others = cuts.iter().zip(x).enumerate();
    others
        .all(|(axis, (cut, len))| axis == 1 || whole(cut, len))
        .then_some(())?;
    let cut = cuts.get(1).filter(|cut| cut.len <= MAX_CHANNELS)?;
    let place = |i: usize| Some((0, cut.start.checked_add_signed(i as isize * cut.step)?));
    let places: Option<Vec<_>> = (0..cut.len).map(place).collect();
    Part::channels(places?, vec![0])
}

/// What is taken of one axis: `len` elements, `step` apart, from `start` on.
#[derive(Clone, Copy)]
struct Cut {
    start: usize,
    step: isize,
    len: usize,
}

impl Slice {
    fn of(node: &Node, opset: i64) -> Result<Slice, Fault> {
        if opset >= 10 {
            return Ok(Slice::Inputs);
        }
        let list = |name| -> Result<Option<Vec<i64>>, Fault> {
            Ok(node.attributes.ints(name)?.map(<[i64]>::to_vec))
        };
        let missing = || Fault::shape("attributes starts and ends are needed");
        Ok(Slice::Attributes {
            starts: list("starts")?.ok_or_else(missing)?,
            ends: list("ends")?.ok_or_else(missing)?,
            axes: list("axes")?,
        })
    }

    fn cuts<'a>(
        &'a self,
        shape: &[usize],
        ints: impl Fn(usize) -> Result<Option<&'a [i64]>, Fault>,
    ) -> Result<Vec<Cut>, Fault> {
        let missing = || Fault::shape("starts and ends are needed");
        let (starts, ends, axes, steps) = match self {
            Slice::Attributes { starts, ends, axes } => {
                (starts.as_slice(), ends.as_slice(), axes.as_deref(), None)
            }
            Slice::Inputs => {
                let (starts, ends) = (ints(1)?, ints(2)?);
                let (starts, ends) = (starts.ok_or_else(missing)?, ends.ok_or_else(missing)?);
                (starts, ends, ints(3)?, ints(4)?)
            }
        };
        let lists = [Some(ends), axes, steps];
        if lists
            .iter()
            .flatten()
            .any(|list| list.len() != starts.len())
        {
            return Err(Fault::shape(
                "starts, ends, axes and steps differ in length",
            ));
        }
        let first: Vec<i64> = (0..starts.len() as i64).collect();
        let axes = axes.unwrap_or(&first);
        crate::ops::axes(axes, shape.len())?;
        let whole = |&len: &usize| Cut {
            start: 0,
            step: 1,
            len,
        };
        let mut cuts: Vec<Cut> = shape.iter().map(whole).collect();
        for (i, ((&start, &end), &axis)) in starts.iter().zip(ends).zip(axes).enumerate() {
            let step = steps.and_then(|steps| steps.get(i)).copied().unwrap_or(1);
            let axis = crate::ops::axis(axis, shape.len())?;
            if let Some(place) = cuts.get_mut(axis) {
                *place = cut(place.len, start, end, step)?;
            }
        }
        Ok(cuts)
    }
}

impl<B: Backend> Operator<B> for Slice {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let cuts = self.cuts(data.shape(), |i| inputs.optional_ints(i))?;
        Ok(vec![
            data.with_shape(cuts.iter().map(|cut| cut.len).collect()),
        ])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let ranges: Vec<Range> = {
            let cuts = self.cuts(&shape, |i| inputs.optional_ints(i))?;
            cuts.into_iter().map(Cut::range).collect()
        };
        let x = inputs.tensor(0)?;
        let whole = |(range, &size): (&Range, &usize)| {
            range.step == 1 && range.start == 0 && range.end == Some(size as isize)
        };
        Ok(vec![if ranges.iter().zip(&shape).all(whole) {
            x
        } else {
            B::float_slice(x, &ranges)
        }])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let data = inputs.get(0)?.shape();
        let cuts = self.cuts(data, |i| inputs.optional_ints(i)).ok()?;
        let place = samples.first().copied().flatten()?;
        let cut = cuts.get(place.axis)?;
        let whole = cut.start == 0 && cut.step == 1 && data.get(place.axis) == Some(&cut.len);
        whole.then(|| vec![Some(place)])
    }
}

fn cut(size: usize, start: i64, end: i64, step: i64) -> Result<Cut, Fault> {
    if step == 0 {
        return Err(Fault::shape("a step of 0 does not move"));
    }
    let (size, step) = (size as i128, i128::from(step));
    // Backwards, the end may lie before the first element.
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let place = |index: i64| {
        let index = i128::from(index);
        let index = if index < 0 { index + size } else { index };
        index.clamp(low, high.max(low))
    };
    let (start, end) = (place(start), place(end));
    let way = (end - start) * step.signum();
    let len = if way <= 0 {
        0
    } else {
        (way + step.abs() - 1) / step.abs()
    };
    // One element needs no step, which may be beyond isize.
    let step = if len <= 1 { 1 } else { step };
    Ok(Cut {
        start: start.max(0) as usize,
        step: step as isize,
        len: len as usize,
    })
}

impl Cut {
    /// Burn's range; a negative step walks it backwards from its last element.
    fn range(self) -> Range {
        let start = self.start as isize;
        let way = self.step * (self.len as isize - 1);
        match self.step {
            1 => Range::new(start, Some(start + self.len as isize), 1),
            step if step > 0 => Range::new(start, Some(start + way + 1), step),
            step => Range::new(start + way, Some(start + 1), step),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints, texts};

    fn case(lists: [&[i64]; 4]) -> Case {
        let input = Case::new("Slice").input(counting(&[3, 4]));
        lists
            .iter()
            .fold(input, |case, list| case.constant(ints(&[list.len()], list)))
    }

    #[test]
    fn values() {
        case([&[1], &[3], &[1], &[1]]).gives(&[3, 2], &[1.0, 2.0, 5.0, 6.0, 9.0, 10.0]);
        case([&[0], &[4], &[-1], &[2]]).gives(&[3, 2], &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let reversed = case([&[-1], &[i64::MIN], &[0], &[-2]]);
        reversed.gives(&[2, 4], &[8.0, 9.0, 10.0, 11.0, 0.0, 1.0, 2.0, 3.0]);
        reversed.gradient_agrees();
        case([&[9, 3], &[-9, 0], &[0, 1], &[-1, -2]])
            .gives(&[3, 2], &[11.0, 9.0, 7.0, 5.0, 3.0, 1.0]);
        case([&[1, 0], &[i64::MAX, i64::MAX], &[0, 1], &[i64::MAX, 3]]).gives(&[1, 2], &[4.0, 7.0]);
        case([&[2], &[2], &[0], &[1]]).gives(&[0, 4], &[]);
        case([&[0], &[2], &[0], &[-1]]).gives(&[0, 4], &[]);
        case([&[1, 0], &[3, 4], &[0, 1], &[1, 3]]).gradient_agrees();
    }

    #[test]
    fn forms() {
        Case::new("Slice")
            .opset(9)
            .ints("starts", &[-2])
            .ints("ends", &[i64::MAX])
            .ints("axes", &[1])
            .input(counting(&[1, 4]))
            .gives(&[1, 2], &[2.0, 3.0]);
        Case::new("Slice")
            .opset(9)
            .ints("starts", &[1])
            .ints("ends", &[2])
            .input(counting(&[2, 2]))
            .gives(&[1, 2], &[2.0, 3.0]);
        Case::new("Slice")
            .constant(ints(&[3], &[i64::MAX, 2, 3]))
            .constant(ints(&[1], &[-1]))
            .constant(ints(&[1], &[i64::MIN]))
            .absent()
            .constant(ints(&[1], &[-1]))
            .gives_ints(&[3], &[3, 2, i64::MAX]);
        Case::new("Slice")
            .constant(texts(&[2], &["a", "b"]))
            .constant(ints(&[1], &[1]))
            .constant(ints(&[1], &[2]))
            .gives_texts(&[1], &["b"]);
        Case::new("Slice")
            .input(counting(&[0, 2]))
            .constant(ints(&[1], &[-1]))
            .constant(ints(&[1], &[-5]))
            .constant(ints(&[1], &[0]))
            .constant(ints(&[1], &[-1]))
            .gives(&[0, 2], &[]);
    }

    #[test]
    fn faults() {
        case([&[0], &[1], &[0], &[0]]).fails("step of 0");
        case([&[0], &[1], &[2], &[1]]).fails("outside");
        case([&[0, 0], &[1, 1], &[0, -2], &[1, 1]]).fails("twice");
        case([&[0, 0], &[1], &[0], &[1]]).fails("differ in length");
        Case::new("Slice")
            .opset(9)
            .input(counting(&[2]))
            .fails("starts and ends are needed");
        Case::new("Slice")
            .input(counting(&[2]))
            .input(ints(&[1], &[0]))
            .constant(ints(&[1], &[1]))
            .fails("do not depend on the model's input");
    }
}
