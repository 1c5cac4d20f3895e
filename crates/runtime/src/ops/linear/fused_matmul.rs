//! FusedMatMul and TransposeMatMul (com.microsoft): `alpha * A' B'`, with the last two axes of each
//! transposed, and the batch axes moved behind the rows (`transBatch`), where asked for.

use burn_backend::{Backend, FloatDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::matmul::{MatMul, dimensions, multiply};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values, on_device};

struct FusedMatMul {
    alpha: f32,
    /// Of each input: the matrices, and the batch.
    transposed: [(bool, bool); 2],
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let flag = |name| Ok::<bool, Fault>(node.attributes.int_or(name, 0)? != 0);
    Ok(Box::new(FusedMatMul {
        alpha: node.attributes.float_or("alpha", 1.0)?,
        transposed: [
            (flag("transA")?, flag("transBatchA")?),
            (flag("transB")?, flag("transBatchB")?),
        ],
    }))
}

/// The order of the axes; vectors stay as they are.
fn order(rank: usize, (matrix, batch): (bool, bool)) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    if rank < 2 {
        return order;
    }
    // From rows, batch, columns to batch, rows, columns.
    if let Some(leading) = order.get_mut(..rank - 1).filter(|_| batch) {
        leading.rotate_left(1);
    }
    if matrix {
        order.swap(rank - 1, rank - 2);
    }
    order
}

impl FusedMatMul {
    fn permuted(&self, index: usize, rank: usize) -> Vec<usize> {
        let flags = self.transposed.get(index).copied();
        order(rank, flags.unwrap_or_default())
    }
}

impl<B: Backend> Operator<B> for FusedMatMul {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let permuted = |i: usize| {
            let shape = inputs.float(i)?;
            let order = self.permuted(i, shape.len());
            let sizes = order.iter().filter_map(|&axis| shape.get(axis));
            Ok::<Vec<usize>, Fault>(sizes.copied().collect())
        };
        let (left, right) = (permuted(0)?, permuted(1)?);
        let (mut shape, [m, _, n]) = dimensions(&left, &right)?;
        shape.extend((left.len() > 1).then_some(m));
        shape.extend((right.len() > 1).then_some(n));
        Ok(vec![Fact::float(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let out = Shape::from(on_device(out));
        if inputs.shape(0)?.contains(&0) {
            return Ok(vec![B::float_zeros(out, inputs.device, FloatDType::F32)]);
        }
        let mut permuted = |i| {
            let x = inputs.tensor(i)?;
            let order = self.permuted(i, x.rank());
            Ok::<FloatTensor<B>, Fault>(B::float_permute(x, &order))
        };
        let product = multiply::<B>(permuted(0)?, permuted(1)?)?;
        let product = B::float_reshape(product, out);
        Ok(vec![match self.alpha {
            1.0 => product,
            alpha => B::float_mul_scalar(product, alpha.into()),
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let (mut held, mut facts) = (Vec::new(), Vec::new());
        for i in [0, 1] {
            let shape = inputs.get(i)?.shape();
            let order = self.permuted(i, shape.len());
            let sizes = order.iter().filter_map(|&axis| shape.get(axis));
            facts.push(Some(Fact::float(sizes.copied().collect())));
            held.push(match *samples.get(i)? {
                Some(place) => Some(place.permuted(&order)?),
                None => None,
            });
        }
        Operator::<B>::samples(&MatMul, &held, &Facts(facts), outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting};

    #[test]
    fn values() {
        let case = |left: &[usize], right: &[usize]| {
            Case::new("FusedMatMul")
                .domain("com.microsoft")
                .input(counting(left))
                .input(counting(right))
        };
        case(&[2, 2, 3], &[2, 3, 2]).float("alpha", 0.5).gives(
            &[2, 2, 2],
            &[5.0, 6.5, 14.0, 20.0, 86.0, 96.5, 122.0, 137.0],
        );
        case(&[2, 1], &[2, 1])
            .int("transA", 1)
            .gives(&[1, 1], &[1.0]);
        case(&[1, 2], &[1, 2])
            .int("transB", 1)
            .gives(&[1, 1], &[1.0]);
        // Rows, batch, columns.
        let batch = || case(&[1, 2, 2], &[2, 2, 1]).int("transBatchA", 1);
        batch().gives(&[2, 1, 1], &[1.0, 13.0]);
        batch().gradient_agrees();
        case(&[2], &[2]).int("transA", 1).gives(&[], &[1.0]);
        case(&[2, 3], &[2, 3]).fails("the inner sizes 3 and 2 differ");
        Case::new("TransposeMatMul")
            .domain("com.microsoft")
            .int("transB", 1)
            .input(counting(&[1, 2]))
            .input(counting(&[1, 2]))
            .gives(&[1, 1], &[1.0]);
    }
}
