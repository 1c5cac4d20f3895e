//! ReverseSequence: of each sample, the first `sequence_lens` entries of the time axis backwards.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fill::sizes;
use super::kept::Kept;
use super::rows::Rows;
use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct ReverseSequence<B: Backend> {
    /// The batch is the first axis, and time the second; otherwise time comes first.
    batch_first: bool,
    rows: Kept<Rows<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let axis = |name, default| node.attributes.int_or(name, default);
    let batch_first = match (axis("batch_axis", 1)?, axis("time_axis", 0)?) {
        (0, 1) => true,
        (1, 0) => false,
        _ => return Err(Fault::shape("batch_axis and time_axis are not 0 and 1")),
    };
    Ok(Box::new(ReverseSequence {
        batch_first,
        rows: Kept::new(),
    }))
}

impl<B: Backend> ReverseSequence<B> {
    /// For each row of the first two axes, the row that comes there.
    fn rows(&self, shape: &[usize], lens: &[i64]) -> Result<Vec<usize>, Fault> {
        let &[first, second, ..] = shape else {
            return Err(Fault::shape("the input has no batch and time axes"));
        };
        let (samples, times) = match self.batch_first {
            true => (first, second),
            false => (second, first),
        };
        let lens = sizes(lens)?;
        if lens.len() != samples || lens.iter().any(|&len| len > times) {
            return Err(Fault::shape(format!(
                "sequence_lens {lens:?} are not {samples} lengths up to {times}"
            )));
        }
        let row = |i: usize| {
            let (a, b) = (i / second.max(1), i % second.max(1));
            let (sample, time) = if self.batch_first { (a, b) } else { (b, a) };
            let len = lens.get(sample).copied().unwrap_or(0);
            let time = if time < len { len - 1 - time } else { time };
            match self.batch_first {
                true => sample * second + time,
                false => time * second + sample,
            }
        };
        Ok((0..count(&[first, second])?).map(row).collect())
    }
}

impl<B: Backend> Operator<B> for ReverseSequence<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        self.rows(x.shape(), inputs.ints(1)?)?;
        Ok(vec![x.with_shape(x.shape().to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let rows = self.rows.get(inputs.fact(1), &shape, || {
            Rows::known(self.rows(&shape, inputs.ints(1)?)?, inputs.device)
        })?;
        let (before, after) = shape.split_at(shape.len().min(2));
        let matrix = Shape::from([count(before)?, count(after)?]);
        let x = B::float_reshape(inputs.tensor(0)?, matrix);
        Ok(vec![B::float_reshape(rows.take(x), Shape::from(shape))])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // Every sample must be turned alike.
        let lens = inputs.ints(1).ok()?;
        let alike = lens.windows(2).all(|pair| pair.first() == pair.last());
        let time = if self.batch_first { 1 } else { 0 };
        beside(samples, &[time], outputs.len()).filter(|_| alike)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |lens: &[i64]| {
            Case::new("ReverseSequence")
                .input(counting(&[3, 2]))
                .constant(ints(&[lens.len()], lens))
        };
        case(&[3, 1]).gives(&[3, 2], &[4.0, 1.0, 2.0, 3.0, 0.0, 5.0]);
        let batch_first = |lens| case(lens).int("batch_axis", 0).int("time_axis", 1);
        batch_first(&[2, 1, 0]).gives(&[3, 2], &[1.0, 0.0, 2.0, 3.0, 4.0, 5.0]);
        batch_first(&[2, 1, 2]).gradient_agrees();
        case(&[4, 1]).fails("2 lengths up to 3");
        case(&[1]).fails("2 lengths up to 3");
        case(&[1, 1]).int("time_axis", 1).fails("are not 0 and 1");
        Case::new("ReverseSequence")
            .constant(ints(&[2, 1], &[i64::MAX, 1]))
            .constant(ints(&[1], &[2]))
            .gives_ints(&[2, 1], &[1, i64::MAX]);
    }
}
