//! Gemm: `alpha * A' B' + beta * C` of matrices; `transA` and `transB` transpose, C broadcasts and
//! may be absent.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::broadcast::{broadcast, pad_left};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Gemm {
    alpha: f32,
    beta: f32,
    trans_a: bool,
    trans_b: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    Ok(Box::new(Gemm {
        alpha: attributes.float_or("alpha", 1.0)?,
        beta: attributes.float_or("beta", 1.0)?,
        trans_a: attributes.int_or("transA", 0)? != 0,
        trans_b: attributes.int_or("transB", 0)? != 0,
    }))
}

impl<B: Backend> Operator<B> for Gemm {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [m, k] = matrix(inputs.float(0)?, self.trans_a)?;
        let [inner, n] = matrix(inputs.float(1)?, self.trans_b)?;
        if k != inner {
            return Err(Fault::shape(format!(
                "the inner sizes {k} and {inner} differ"
            )));
        }
        if let Some(c) = inputs.optional_float(2)?
            && broadcast(&[m, n], c).ok() != Some(vec![m, n])
        {
            return Err(Fault::shape(format!(
                "C {c:?} does not broadcast to [{m}, {n}]"
            )));
        }
        Ok(vec![Fact::float(vec![m, n])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let transposed = |x, transpose| if transpose { B::float_transpose(x) } else { x };
        let a = transposed(inputs.tensor(0)?, self.trans_a);
        let b = transposed(inputs.tensor(1)?, self.trans_b);
        let product = scaled::<B>(B::float_matmul(a, b), self.alpha);
        let Some(c) = inputs.optional_tensor(2)? else {
            return Ok(vec![product]);
        };
        let shape = Shape::from(pad_left(&c.shape(), 2));
        let c = scaled::<B>(B::float_reshape(c, shape), self.beta);
        Ok(vec![B::float_add(product, c)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // C may hold samples too; what is the same for all of them must not differ by row.
        let rows = |fact: &Fact| fact.shape().len() < 2 || fact.shape().first() == Some(&1);
        let c = samples.get(2).copied().flatten().is_some();
        let shared = c || inputs.get(2).is_none_or(rows);
        let apart = !self.trans_a && shared;
        along_first(samples, &[0, 2], outputs.len()).filter(|_| apart)
    }
}

fn matrix(shape: &[usize], transpose: bool) -> Result<[usize; 2], Fault> {
    match *shape {
        [rows, cols] => Ok(if transpose {
            [cols, rows]
        } else {
            [rows, cols]
        }),
        _ => Err(Fault::shape(format!("{shape:?} is not a matrix"))),
    }
}

fn scaled<B: Backend>(x: FloatTensor<B>, factor: f32) -> FloatTensor<B> {
    if factor == 1.0 {
        x
    } else {
        B::float_mul_scalar(x, factor.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let a = || floats(&[1, 2], &[1.0, 2.0]);
        let b = || floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let gemm = || Case::new("Gemm").input(a()).constant(b());
        gemm().gives(&[1, 3], &[9.0, 12.0, 15.0]);
        let biased = |c| gemm().constant(c);
        biased(floats(&[3], &[1.0, 2.0, 3.0])).gives(&[1, 3], &[10.0, 14.0, 18.0]);
        biased(floats(&[], &[1.0])).gives(&[1, 3], &[10.0, 13.0, 16.0]);
        biased(floats(&[1, 1], &[1.0]))
            .float("alpha", 2.0)
            .float("beta", -1.0)
            .gives(&[1, 3], &[17.0, 23.0, 29.0]);
        let transposed = || {
            Case::new("Gemm")
                .int("transA", 1)
                .int("transB", 1)
                .input(floats(&[2, 1], &[1.0, 2.0]))
                .constant(floats(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]))
        };
        transposed().gives(&[1, 3], &[9.0, 12.0, 15.0]);
        transposed().gradient_agrees();
        biased(floats(&[3], &[1.0, 2.0, 3.0]))
            .float("alpha", 0.5)
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        let gemm = |a: &[usize]| {
            let len = a.iter().product();
            Case::new("Gemm")
                .input(floats(a, &vec![0.0; len]))
                .constant(floats(&[2, 1], &[0.0; 2]))
        };
        gemm(&[1, 3]).fails("the inner sizes 3 and 2 differ");
        gemm(&[1, 2, 1]).fails("is not a matrix");
        gemm(&[1, 2])
            .constant(floats(&[2], &[0.0; 2]))
            .fails("does not broadcast to [1, 1]");
    }
}
