//! The Reduce operators: Sum, Mean, Max, Min, Prod, SumSquare, L1, L2, LogSum and LogSumExp, over
//! the named axes or all of them. Axes are an attribute up to opset 12 (Sum) or 17, then an input.
//! Sums run in a fixed order, axis by axis.

use std::collections::BTreeMap;

use burn_backend::{Backend, FloatDType, TensorMetadata, get_device_settings, tensor::FloatTensor};
use scoville_convnet::{Kind, Window};
use scoville_onnx::{DType, Node};

use super::axes::Reduced;
use super::rule::{Rule, reduce};
use crate::ops::layer::{Inputs, Part, two};
use crate::ops::{Context, Parsed};

const NO_ELEMENTS: f32 = f32::INFINITY;

pub(super) fn sum<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 13,
        on_tensor: sum_of::<B>,
        on_ints: |lane, _| exact(lane.iter().map(|&v| i128::from(v)).sum()),
        neutral: Some(0.0),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn mean<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| axes.iter().fold(x, |x, &axis| B::float_mean_dim(x, axis)),
        on_ints: |lane, _| {
            let sum: i128 = lane.iter().map(|&v| i128::from(v)).sum();
            exact(sum.checked_div(lane.len() as i128)?)
        },
        neutral: None,
        fractions: true,
    };
    reduce(node, context, rule)
}

/// The mean over all axes after batch and channels is a pool.
pub(super) fn mean_layer(inputs: &Inputs) -> Option<Part> {
    let context = Context {
        opset: inputs.opset,
        constants: &BTreeMap::new(),
    };
    let reduced = Reduced::parse(inputs.node, &context, 18).ok()?;
    let x = inputs.facts.get(0)?.shape();
    let axes = reduced.axes(inputs.facts, x.len()).ok()?;
    let spatial = x
        .get(2..)
        .filter(|spatial| matches!(spatial.len(), 1 | 2))?;
    axes.iter().copied().eq(2..x.len()).then_some(())?;
    Part::of_first(Kind::AveragePool {
        window: Window::whole(two(spatial, 1)),
        count_padding: false,
    })
}

pub(super) fn max<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| axes.iter().fold(x, |x, &axis| B::float_max_dim(x, axis)),
        on_ints: |lane, _| lane.iter().copied().max(),
        neutral: Some(-NO_ELEMENTS),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn min<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| axes.iter().fold(x, |x, &axis| B::float_min_dim(x, axis)),
        on_ints: |lane, _| lane.iter().copied().min(),
        neutral: Some(NO_ELEMENTS),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn product<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| axes.iter().fold(x, |x, &axis| B::float_prod_dim(x, axis)),
        on_ints: |lane, dtype| {
            let product = lane.iter().try_fold(1i64, |p, &v| p.checked_mul(v));
            // Narrow types wrap around, so only the wide one overflows.
            match dtype {
                DType::I64 => product,
                _ => Some(lane.iter().fold(1i64, |p, &v| p.wrapping_mul(v))),
            }
        },
        neutral: Some(1.0),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn sum_square<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| sum_of::<B>(square::<B>(x), axes),
        on_ints: |lane, _| exact(squares(lane)?),
        neutral: Some(0.0),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn l1<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| sum_of::<B>(B::float_abs(x), axes),
        on_ints: |lane, _| exact(lane.iter().map(|&v| i128::from(v).abs()).sum()),
        neutral: Some(0.0),
        fractions: false,
    };
    reduce(node, context, rule)
}

pub(super) fn l2<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| root::<B>(sum_of::<B>(square::<B>(x), axes)),
        on_ints: |lane, _| exact(squares(lane)?.isqrt()),
        neutral: Some(0.0),
        fractions: true,
    };
    reduce(node, context, rule)
}

pub(super) fn log_sum<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: |x, axes| B::float_log(sum_of::<B>(x, axes)),
        on_ints: |lane, _| whole(lane.iter().map(|&v| v as f64).sum::<f64>().ln()),
        neutral: Some(-NO_ELEMENTS),
        fractions: true,
    };
    reduce(node, context, rule)
}

pub(super) fn log_sum_exp<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let rule = Rule {
        since: 18,
        on_tensor: log_sum_exp_of::<B>,
        on_ints: |lane, _| {
            let top = *lane.iter().max()? as f64;
            let sum: f64 = lane.iter().map(|&v| (v as f64 - top).exp()).sum();
            whole(top + sum.ln())
        },
        neutral: Some(-NO_ELEMENTS),
        fractions: true,
    };
    reduce(node, context, rule)
}

fn sum_of<B: Backend>(x: FloatTensor<B>, axes: &[usize]) -> FloatTensor<B> {
    axes.iter().fold(x, |x, &axis| B::float_sum_dim(x, axis))
}

fn square<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), x)
}

/// The square root, with derivative 0 where it is 0.
fn root<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let dtype = get_device_settings::<B>(&x.device()).bool_dtype;
    let zero = B::float_equal_elem(B::float_detach(x.clone()), 0.0f32.into(), dtype);
    let one = B::bool_into_float(zero, FloatDType::F32);
    B::float_sub(B::float_sqrt(B::float_add(x, one.clone())), one)
}

/// Every element is taken relative to the largest, so that none overflows.
fn log_sum_exp_of<B: Backend>(x: FloatTensor<B>, axes: &[usize]) -> FloatTensor<B> {
    let top = B::float_detach(x.clone());
    let top = axes.iter().fold(top, |x, &axis| B::float_max_dim(x, axis));
    let top = B::float_clamp(top, f32::MIN.into(), f32::MAX.into());
    let sum = sum_of::<B>(B::float_exp(B::float_sub(x, top.clone())), axes);
    B::float_add(B::float_log(sum), top)
}

fn squares(lane: &[i64]) -> Option<i128> {
    let squares = lane.iter().map(|&v| i128::from(v) * i128::from(v));
    let mut sum = Some(0i128);
    squares.for_each(|square| sum = sum.and_then(|sum| sum.checked_add(square)));
    sum
}

fn exact(value: i128) -> Option<i64> {
    i64::try_from(value).ok()
}

/// A finite number without its fraction.
fn whole(value: f64) -> Option<i64> {
    value.is_finite().then_some(value as i64)
}
