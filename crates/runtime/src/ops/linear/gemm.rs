//! Gemm: `alpha * A' B' + beta * C` of matrices; `transA` and `transB` transpose, C broadcasts and
//! may be absent. FusedGemm (com.microsoft) applies an activation to that.

use burn_backend::{Backend, FloatDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::broadcast::{broadcast, pad_left, wrapped};
use crate::ops::layer::{Inputs, Part, by_output, is_packed};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values, is_float};

struct Gemm {
    alpha: f32,
    beta: f32,
    trans_a: bool,
    trans_b: bool,
    activation: Activation,
}

enum Activation {
    None,
    Relu,
    LeakyRelu(f32),
    Sigmoid,
    Tanh,
}

impl Activation {
    fn apply<B: Backend>(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Activation::None => x,
            Activation::Relu => B::relu(x),
            Activation::LeakyRelu(slope) => B::leaky_relu(x, (*slope).into()),
            Activation::Sigmoid => B::sigmoid(x),
            Activation::Tanh => B::float_tanh(x),
        }
    }
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    gemm(node, Activation::None)
}

pub(super) fn parse_fused<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let activation = match node.attributes.string("activation")?.unwrap_or_default() {
        "" => Activation::None,
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu(node.attributes.float_or("activation_alpha", 0.01)?),
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        other => return Err(Fault::Unsupported(format!("activation {other}"))),
    };
    gemm(node, activation)
}

fn gemm<B: Backend>(node: &Node, activation: Activation) -> Parsed<B> {
    let attributes = &node.attributes;
    Ok(Box::new(Gemm {
        alpha: attributes.float_or("alpha", 1.0)?,
        beta: attributes.float_or("beta", 1.0)?,
        trans_a: attributes.int_or("transA", 0)? != 0,
        trans_b: attributes.int_or("transB", 0)? != 0,
        activation,
    }))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let attributes = &inputs.node.attributes;
    let alpha = attributes.float_or("alpha", 1.0).ok()?;
    let beta = attributes.float_or("beta", 1.0).ok()?;
    if attributes.int_or("transA", 0).ok()? != 0 {
        return None;
    }
    let transposed = attributes.int_or("transB", 0).ok()? != 0;
    let [depth, outputs] = matrix(inputs.facts.get(1)?.shape(), transposed).ok()?;
    if !is_packed(depth, outputs) {
        return None;
    }
    let mut weights = (inputs.constant)(1)?;
    if !transposed {
        weights = by_output(&weights, depth, outputs);
    }
    weights.iter_mut().for_each(|weight| *weight *= alpha);
    let bias = match inputs.facts.get(2).map(Fact::shape) {
        Some(shape) if shape.iter().rev().skip(1).any(|&size| size != 1) => return None,
        _ => inputs.optional(2)?,
    };
    let bias = match bias.as_slice() {
        [one] => vec![one * beta; outputs],
        all => all.iter().map(|bias| bias * beta).collect(),
    };
    Part::dense(weights, bias, outputs)
}

impl<B: Backend> Operator<B> for Gemm {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [m, k] = matrix(inputs.shape(0)?, self.trans_a)?;
        let [inner, n] = matrix(inputs.shape(1)?, self.trans_b)?;
        let dtype = inputs.any(0)?.dtype;
        if (1..3).any(|i| inputs.get(i).is_some_and(|fact| fact.dtype != dtype)) {
            return Err(Fault::shape("the inputs are not of one type"));
        }
        if k != inner {
            return Err(Fault::shape(format!(
                "the inner sizes {k} and {inner} differ"
            )));
        }
        if let Some(c) = inputs.get(2).map(Fact::shape)
            && broadcast(&[m, n], c).ok() != Some(vec![m, n])
        {
            return Err(Fault::shape(format!(
                "C {c:?} does not broadcast to [{m}, {n}]"
            )));
        }
        Ok(vec![Fact::new(dtype, vec![m, n])])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let dtype = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        let product = match inputs.shape(0)?.contains(&0) {
            true => {
                let out = outputs.first().map(Fact::shape).unwrap_or_default();
                B::float_zeros(Shape::from(out.to_vec()), inputs.device, FloatDType::F32)
            }
            false => {
                let transposed = |x, transpose| if transpose { B::float_transpose(x) } else { x };
                let a = transposed(inputs.tensor(0)?, self.trans_a);
                let b = transposed(inputs.tensor(1)?, self.trans_b);
                scaled::<B>(B::float_matmul(a, b), self.alpha)
            }
        };
        let sum = match inputs.optional_tensor(2)? {
            None => product,
            Some(c) => {
                let shape = Shape::from(pad_left(&c.shape(), 2));
                let c = scaled::<B>(B::float_reshape(c, shape), self.beta);
                B::float_add(product, c)
            }
        };
        Ok(vec![self.activation.apply::<B>(match is_float(dtype) {
            true => sum,
            false => wrapped::<B>(dtype, B::float_trunc(sum)),
        })])
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
    use crate::ops::testing::{Case, floats, ints};

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
    fn forms() {
        Case::new("Gemm")
            .opset(6)
            .int("broadcast", 1)
            .input(floats(&[1, 2], &[1.0, 2.0]))
            .constant(floats(&[2, 1], &[3.0, 4.0]))
            .constant(floats(&[1], &[1.0]))
            .gives(&[1, 1], &[12.0]);
        Case::new("Gemm")
            .input(floats(&[1, 0], &[]))
            .constant(floats(&[0, 2], &[]))
            .constant(floats(&[2], &[1.0, 2.0]))
            .gives(&[1, 2], &[1.0, 2.0]);
        let whole = || ints(&[1, 1], &[7]);
        Case::new("Gemm")
            .input(whole())
            .constant(whole())
            .constant(whole())
            .gives(&[1, 1], &[56.0]);
        let fused = |activation| {
            Case::new("FusedGemm")
                .domain("com.microsoft")
                .string("activation", activation)
                .input(floats(&[1, 1], &[1.0]))
                .constant(floats(&[1, 2], &[2.0, -2.0]))
        };
        fused("Relu").gives(&[1, 2], &[2.0, 0.0]);
        fused("LeakyRelu")
            .float("activation_alpha", 0.5)
            .gives(&[1, 2], &[2.0, -1.0]);
        fused("Tanh").gives(&[1, 2], &[0.964_027_6, -0.964_027_6]);
        fused("Sigmoid").gradient_agrees();
        fused("Elu").fails("activation Elu is not supported");
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
