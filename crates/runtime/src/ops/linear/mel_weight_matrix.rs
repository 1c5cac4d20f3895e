//! MelWeightMatrix: triangular filters, equally spaced in mels (`2595 log10(1 + f / 700)`), over the
//! bins of a spectrum; all inputs are known. Edges and steps as in ONNX's own definition.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::window::floats;
use crate::Fault;
use crate::ops::movement::fill::{one, sizes};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct MelWeightMatrix {
    dtype: DType,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(MelWeightMatrix {
        dtype: floats(node)?,
    }))
}

impl<B: Backend> Operator<B> for MelWeightMatrix {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let size = |i: usize| one(&sizes(inputs.ints(i)?)?);
        let (filters, length) = (size(0)?, size(1)?);
        let (rate, low, high) = (size(2)?, one(inputs.floats(3)?)?, one(inputs.floats(4)?)?);
        if rate == 0 || !(0.0..=high).contains(&low) || !high.is_finite() {
            return Err(Fault::shape(
                "sample_rate, lower_edge_hertz and upper_edge_hertz are no band",
            ));
        }
        let bins = length / 2 + 1;
        let last = edge(f64::from(low), f64::from(high), filters, filters + 1);
        if bin(last, length, rate) > bins as f64 {
            return Err(Fault::shape("the filters reach beyond the spectrum"));
        }
        Ok(vec![Fact::new(self.dtype, vec![bins, filters])])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let size = |i: usize| one(&sizes(inputs.ints(i)?)?);
        let (filters, length, rate) = (size(0)?, size(1)?, size(2)?);
        let (low, high) = (one(inputs.floats(3)?)?, one(inputs.floats(4)?)?);
        let edge = |i| {
            let hertz = edge(f64::from(low), f64::from(high), filters, i);
            bin(hertz, length, rate) as usize
        };
        let edges: Vec<usize> = (0..filters + 2).map(edge).collect();
        let weight = |i: usize| {
            let (bin, filter) = (i / filters, i % filters);
            let edge = |i: usize| edges.get(filter + i).copied().unwrap_or(0);
            triangle(bin, [edge(0), edge(1), edge(2)])
        };
        let values = (0..count(shape)?).map(weight).collect();
        Ok(vec![inputs.upload(shape, values)])
    }
}

/// The frequency of edge `i` of the filters.
fn edge(low: f64, high: f64, filters: usize, i: usize) -> f64 {
    let mels = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mels(high) - mels(low)) / (filters as f64 + 2.0);
    700.0 * (10.0f64.powf((mels(low) + step * i as f64) / 2595.0) - 1.0)
}

/// The bin of a frequency.
fn bin(hertz: f64, length: usize, rate: usize) -> f64 {
    ((length as f64 + 1.0) * hertz / rate as f64)
        .floor()
        .max(0.0)
}

/// The weight of a bin in a filter that rises, and falls, between these edges.
fn triangle(bin: usize, [left, centre, right]: [usize; 3]) -> f32 {
    let part = |a: usize, b: usize| a as f32 / b as f32;
    match bin {
        _ if bin >= centre && bin < right => part(right - bin, right - centre),
        _ if left == centre && bin == centre => 1.0,
        _ if bin >= left && bin <= centre && left < centre => part(bin - left, centre - left),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn triangles() {
        let weights = [0, 1, 2, 3, 4].map(|bin| triangle(bin, [0, 2, 4]));
        assert_eq!(weights, [0.0, 0.5, 1.0, 0.5, 0.0]);
        let weights = [0, 1, 2].map(|bin| triangle(bin, [1, 1, 1]));
        assert_eq!(weights, [0.0, 1.0, 0.0]);
    }

    #[test]
    fn values() {
        let case = |rate, high| {
            Case::new("MelWeightMatrix")
                .opset(17)
                .constant(ints(&[], &[2]))
                .constant(ints(&[], &[8]))
                .constant(ints(&[], &[rate]))
                .constant(floats(&[], &[0.0]))
                .constant(floats(&[], &[high]))
        };
        case(8192, 4096.0).gives(&[5, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        case(0, 4096.0).fails("are no band");
        case(8192, f32::INFINITY).fails("are no band");
        case(10, 4096.0).fails("beyond the spectrum");
    }
}
