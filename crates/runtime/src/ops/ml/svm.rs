//! Support vectors and their kernels: what SVMClassifier and SVMRegressor share.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::elementwise::pow::raised;
use crate::value::Values;

/// Most differences between samples and support vectors that are held at once; beyond, the distance
/// is that of squares.
const MAX_DIFFERENCES: usize = 1 << 24;

#[derive(Clone, Copy)]
enum Kernel {
    Linear,
    Poly { gamma: f32, coef0: f32, degree: f32 },
    Rbf { gamma: f32 },
    Sigmoid { gamma: f32, coef0: f32 },
}

impl Kernel {
    fn parse(node: &Node) -> Result<Kernel, Fault> {
        let [gamma, coef0, degree] = match node.attributes.floats("kernel_params")? {
            None | Some([]) => [0.0; 3],
            Some(&[gamma, coef0, degree]) => [gamma, coef0, degree],
            Some(other) => {
                let what = format!("kernel_params has {} entries, not 3", other.len());
                return Err(Fault::shape(what));
            }
        };
        match node.attributes.string("kernel_type")?.unwrap_or("LINEAR") {
            "LINEAR" => Ok(Kernel::Linear),
            "POLY" => Ok(Kernel::Poly {
                gamma,
                coef0,
                degree,
            }),
            "RBF" => Ok(Kernel::Rbf { gamma }),
            "SIGMOID" => Ok(Kernel::Sigmoid { gamma, coef0 }),
            other => Err(Fault::Unsupported(format!("kernel_type {other}"))),
        }
    }
}

pub(super) struct Support {
    kernel: Kernel,
    /// \[count, features\]
    vectors: Vec<f32>,
    /// At least one.
    pub count: usize,
    pub features: usize,
}

impl Support {
    /// The node's `support_vectors`, which are `count`.
    pub fn parse(node: &Node, count: usize) -> Result<Support, Fault> {
        let vectors = node
            .attributes
            .floats("support_vectors")?
            .unwrap_or_default();
        let features = vectors.len().checked_div(count).unwrap_or(0);
        if features == 0 || vectors.len() % count != 0 {
            return Err(Fault::shape(format!(
                "support_vectors holds {} numbers, which are not {count} vectors",
                vectors.len()
            )));
        }
        Ok(Support {
            kernel: Kernel::parse(node)?,
            vectors: vectors.to_vec(),
            count,
            features,
        })
    }

    /// The kernel of each of `rows` samples with each support vector, \[rows, count\].
    pub fn kernel<B: Backend>(
        &self,
        inputs: &mut Values<B>,
        rows: usize,
    ) -> Result<FloatTensor<B>, Fault> {
        let shape = Shape::from([rows, self.features]);
        let x = B::float_reshape(inputs.tensor(0)?, shape);
        let vectors =
            |inputs: &Values<B>| inputs.upload(&[self.count, self.features], self.vectors.clone());
        let product =
            |inputs: &Values<B>, x| B::float_matmul(x, B::float_transpose(vectors(inputs)));
        let affine = |dot, gamma: f32, coef0: f32| {
            B::float_add_scalar(B::float_mul_scalar(dot, gamma.into()), coef0.into())
        };
        Ok(match self.kernel {
            Kernel::Linear => product(inputs, x),
            Kernel::Poly {
                gamma,
                coef0,
                degree,
            } => power::<B>(affine(product(inputs, x), gamma, coef0), degree),
            Kernel::Rbf { gamma } => {
                let few = rows
                    .checked_mul(self.count)
                    .and_then(|n| n.checked_mul(self.features));
                let distances = match few.is_some_and(|n| n <= MAX_DIFFERENCES) {
                    true => self.distances::<B>(x, vectors(inputs), rows),
                    false => self.expanded::<B>(inputs, x),
                };
                B::float_exp(B::float_mul_scalar(distances, (-gamma).into()))
            }
            Kernel::Sigmoid { gamma, coef0 } => {
                B::float_tanh(affine(product(inputs, x), gamma, coef0))
            }
        })
    }

    /// The squared distances, from the differences.
    fn distances<B: Backend>(
        &self,
        x: FloatTensor<B>,
        vectors: FloatTensor<B>,
        rows: usize,
    ) -> FloatTensor<B> {
        let x = B::float_reshape(x, Shape::from([rows, 1, self.features]));
        let vectors = B::float_reshape(vectors, Shape::from([1, self.count, self.features]));
        let difference = B::float_sub(x, vectors);
        let squares = B::float_mul(difference.clone(), difference);
        B::float_reshape(
            B::float_sum_dim(squares, 2),
            Shape::from([rows, self.count]),
        )
    }

    /// The squared distances as `|x|^2 - 2 x v + |v|^2`, with the vectors' mean as the origin, so
    /// that little is cancelled.
    fn expanded<B: Backend>(&self, inputs: &Values<B>, x: FloatTensor<B>) -> FloatTensor<B> {
        let mut mean = vec![0.0; self.features];
        for vector in self.vectors.chunks_exact(self.features) {
            let sums = mean.iter_mut().zip(vector);
            sums.for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let mean = mean.iter().map(|&sum| (sum / self.count as f64) as f32);
        let mean = inputs.upload(&[1, self.features], mean.collect());
        let vectors = inputs.upload(&[self.count, self.features], self.vectors.clone());
        let (x, vectors) = (B::float_sub(x, mean.clone()), B::float_sub(vectors, mean));
        let square = |x: &FloatTensor<B>| B::float_sum_dim(B::float_mul(x.clone(), x.clone()), 1);
        let (own, theirs) = (square(&x), B::float_transpose(square(&vectors)));
        let product = B::float_matmul(x, B::float_transpose(vectors));
        let twice = B::float_mul_scalar(product, 2.0f32.into());
        let distances = B::float_add(B::float_sub(own, twice), theirs);
        B::float_clamp_min(distances, 0.0f32.into())
    }
}

/// `x^degree`: small whole degrees by products, so that `x` may be negative.
fn power<B: Backend>(x: FloatTensor<B>, degree: f32) -> FloatTensor<B> {
    let whole = (1..=16).find(|&whole| whole as f32 == degree);
    match whole {
        Some(whole) => (1..whole).fold(x.clone(), |power, _| B::float_mul(power, x.clone())),
        None => raised::<B>(x, degree),
    }
}
