//! FeatureVectorizer: the columns of all inputs side by side; `inputdimensions` says how many each
//! one gives: it is cut, or filled up with zeros.

use burn_backend::{Backend, Shape, Slice, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct FeatureVectorizer {
    dimensions: Vec<usize>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let dimensions = node.attributes.ints("inputdimensions")?.unwrap_or_default();
    let dimensions = dimensions.iter().map(|&size| usize::try_from(size).ok());
    let dimensions: Vec<usize> = dimensions
        .collect::<Option<_>>()
        .ok_or_else(|| Fault::shape("an input's dimension is negative"))?;
    if dimensions.len() != node.inputs.len() {
        return Err(Fault::shape(format!(
            "inputdimensions tells {} inputs, there are {}",
            dimensions.len(),
            node.inputs.len()
        )));
    }
    Ok(Box::new(FeatureVectorizer { dimensions }))
}

/// A row for each entry of the first axis.
fn rows(shape: &[usize]) -> Result<[usize; 2], Fault> {
    match shape.split_first() {
        Some((&rows, rest)) => Ok([rows, count(rest)?]),
        None => Err(Fault::shape("an input has no axes")),
    }
}

impl<B: Backend> Operator<B> for FeatureVectorizer {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [n, _] = rows(inputs.shape(0)?)?;
        let mut columns = 0usize;
        for (i, &size) in self.dimensions.iter().enumerate() {
            if rows(inputs.shape(i)?)?[0] != n {
                return Err(Fault::shape("the inputs differ in their rows"));
            }
            let more = columns.checked_add(size);
            columns = more.ok_or_else(|| Fault::shape("the columns overflow"))?;
        }
        Ok(vec![Fact::float(vec![n, columns])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let mut parts = Vec::new();
        for (i, &size) in self.dimensions.iter().enumerate() {
            let [n, columns] = rows(&inputs.shape(i)?)?;
            let taken = columns.min(size);
            if taken > 0 {
                let x = B::float_reshape(inputs.tensor(i)?, Shape::from([n, columns]));
                let all = Slice::new(0, None, 1);
                parts.push(B::float_slice(
                    x,
                    &[all, Slice::new(0, Some(taken as isize), 1)],
                ));
            }
            if taken < size {
                let rest = size - taken;
                parts.push(inputs.upload(&[n, rest], vec![0.0; count(&[n, rest])?]));
            }
        }
        Ok(vec![B::float_cat(parts, 1)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let all: Vec<usize> = (0..inputs.len()).collect();
        paired_first(samples, inputs, &all, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |dimensions: &[i64]| {
            Case::new("FeatureVectorizer")
                .domain("ai.onnx.ml")
                .ints("inputdimensions", dimensions)
                .input(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(ints(&[2], &[5, 6]))
        };
        case(&[2, 1]).gives(&[2, 3], &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
        case(&[1, 2]).gives(&[2, 3], &[1.0, 5.0, 0.0, 3.0, 6.0, 0.0]);
        case(&[2]).fails("tells 1 inputs, there are 2");
        case(&[2, -1]).fails("negative");
        Case::new("FeatureVectorizer")
            .domain("ai.onnx.ml")
            .ints("inputdimensions", &[2])
            .input(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .gradient_agrees();
    }
}
