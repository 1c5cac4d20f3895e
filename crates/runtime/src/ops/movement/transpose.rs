//! Transpose: permutes the axes by `perm`; without it, reverses them.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::Layout;
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::layer::{Inputs, MAX_CHANNELS, Part};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Transpose {
    perm: Option<Vec<i64>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Transpose {
        perm: node.attributes.ints("perm")?.map(|perm| perm.to_vec()),
    }))
}

impl Transpose {
    fn permutation(&self, rank: usize) -> Result<Vec<usize>, Fault> {
        let Some(perm) = &self.perm else {
            return Ok((0..rank).rev().collect());
        };
        // `axes` refuses repeats, so `rank` of them are a permutation.
        crate::ops::axes(perm, rank)?;
        if perm.len() != rank {
            return Err(Fault::shape(format!(
                "perm {perm:?} does not name all {rank} axes"
            )));
        }
        perm.iter()
            .map(|&axis| crate::ops::axis(axis, rank))
            .collect()
    }
}

/// Channels made the last axis or the first; or a shuffle of channels: the axes between the batch and those that stay are the channels'.
pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let x = inputs.facts.get(0)?.shape();
    let perm = inputs.node.attributes.ints("perm").ok()??.to_vec();
    let perm = Transpose { perm: Some(perm) }.permutation(x.len()).ok()?;
    match perm[..] {
        [0, 2, 3, 1] => return Some(Part::Turned(Some(Layout::Last))),
        [0, 3, 1, 2] => return Some(Part::Turned(Some(Layout::First))),
        [0, 2, 1] => return Some(Part::Turned(None)),
        [0, ..] => {}
        _ => return None,
    }
    let moved = |(i, axis): (usize, &usize)| (i != *axis).then_some(i + 1);
    let end = perm.iter().enumerate().rev().find_map(moved)?;
    let mut places = vec![0];
    for &axis in perm.get(1..end)? {
        let stride: usize = x.get(axis + 1..end)?.iter().product();
        let size = *x.get(axis)?;
        (places.len().checked_mul(size)? <= MAX_CHANNELS).then_some(())?;
        let along = |&place: &usize| (0..size).map(move |i| place + i * stride);
        places = places.iter().flat_map(along).collect();
    }
    let places = places.into_iter().map(|channel| (0, channel));
    Part::channels(places.collect(), vec![0])
}

impl<B: Backend> Operator<B> for Transpose {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let perm = self.permutation(x.shape().len())?;
        let sizes = perm.iter().filter_map(|&axis| x.shape().get(axis));
        Ok(vec![x.with_shape(sizes.copied().collect())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let perm = self.permutation(inputs.shape(0)?.len())?;
        let x = inputs.tensor(0)?;
        Ok(vec![match perm.is_empty() {
            true => x,
            false => B::float_permute(x, &perm),
        }])
    }

    fn moves(&self, _: usize) -> bool {
        true
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let perm = self.permutation(inputs.get(0)?.shape().len()).ok()?;
        let moved = samples.first().copied().flatten()?.permuted(&perm)?;
        Some(vec![Some(moved)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("Transpose").input(floats(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]));
        case().gives(&[2, 2, 1], &[1.0, 3.0, 2.0, 4.0]);
        case()
            .ints("perm", &[1, 0, 2])
            .gives(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
        case().ints("perm", &[2, 0, 1]).gradient_agrees();
        case()
            .ints("perm", &[0, 1])
            .fails("does not name all 3 axes");
        case().ints("perm", &[0, 1, 1]).fails("twice");
        case().ints("perm", &[0, 1, 3]).fails("outside");
    }
}
