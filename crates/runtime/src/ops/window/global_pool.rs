//! GlobalAveragePool, GlobalMaxPool and GlobalLpPool: one number for all axes after batch and
//! channels, which stay as axes of size 1.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_convnet::{self as layer, Kind};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::layer::{Inputs, Part, two};
use crate::ops::normalise::lp;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

enum GlobalPool {
    Average,
    Max,
    Lp(i32),
}

pub(super) fn average<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(GlobalPool::Average))
}

pub(super) fn max<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(GlobalPool::Max))
}

pub(super) fn lp<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(GlobalPool::Lp(lp::order(node)?)))
}

pub(super) fn average_layer(inputs: &Inputs) -> Option<Part> {
    let kind = |window| Kind::AveragePool {
        window,
        count_padding: false,
    };
    global(inputs, kind)
}

pub(super) fn max_layer(inputs: &Inputs) -> Option<Part> {
    global(inputs, Kind::MaxPool)
}

fn global(inputs: &Inputs, kind: impl Fn(layer::Window) -> Kind) -> Option<Part> {
    match inputs.facts.get(0)?.shape() {
        [_, _, spatial @ ..] if matches!(spatial.len(), 1 | 2) => {
            Part::of_first(kind(layer::Window::whole(two(spatial, 1))))
        }
        _ => None,
    }
}

impl<B: Backend> Operator<B> for GlobalPool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        match inputs.float(0)? {
            [n, channels, spatial @ ..] if !spatial.contains(&0) => {
                let ones = vec![1; spatial.len()];
                let shape = [&[*n, *channels], ones.as_slice()].concat();
                Ok(vec![inputs.any(0)?.with_shape(shape)])
            }
            _ => Err(Fault::shape(
                "batch, channels and spatial axes that are not empty are needed",
            )),
        }
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (kept, spatial) = shape.split_at(2);
        let flat = Shape::from([kept, &[count(spatial)?]].concat());
        let x = B::float_reshape(inputs.tensor(0)?, flat);
        let pooled = match *self {
            GlobalPool::Average => B::float_mean_dim(x, 2),
            GlobalPool::Max => B::float_max_dim(x, 2),
            GlobalPool::Lp(p) => lp::root::<B>(B::float_sum_dim(lp::power::<B>(x, p), 2), p),
        };
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(pooled, Shape::from(out.to_vec()))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    #[test]
    fn values() {
        let pool = |op, shape: &[usize]| Case::new(op).input(counting(shape));
        let average = |shape: &[usize]| pool("GlobalAveragePool", shape);
        average(&[1, 2, 2, 2]).gives(&[1, 2, 1, 1], &[1.5, 5.5]);
        average(&[2, 1, 4]).gives(&[2, 1, 1], &[1.5, 5.5]);
        average(&[1, 2]).gives(&[1, 2], &[0.0, 1.0]);
        average(&[1, 2, 2, 2]).gradient_agrees();
        average(&[2, 2, 0]).fails("not empty");
        average(&[2]).fails("spatial axes");
        pool("GlobalMaxPool", &[1, 2, 2, 2]).gives(&[1, 2, 1, 1], &[3.0, 7.0]);
        pool("GlobalMaxPool", &[1, 2, 1, 2, 2]).gradient_agrees();
    }

    #[test]
    fn norms() {
        let pool = || Case::new("GlobalLpPool").input(floats(&[1, 1, 1, 3], &[2.0, -3.0, 6.0]));
        pool().gives(&[1, 1, 1, 1], &[7.0]);
        pool().int("p", 1).gives(&[1, 1, 1, 1], &[11.0]);
        pool().gradient_agrees();
        pool().int("p", -1).fails("p -1");
    }
}
