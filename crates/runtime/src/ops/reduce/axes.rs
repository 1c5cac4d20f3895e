//! The axes of a reduction, and the shape that is left.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Axes, Context, count};
use crate::value::{Facts, Values};

/// Which axes are reduced: an attribute once, an input later.
pub(super) struct Reduced {
    axes: Axes,
    keep_axes: bool,
    /// No axes means no reduction, instead of all.
    none_is_noop: bool,
}

impl Reduced {
    /// The axes are an input from opset `since` on.
    pub fn parse(node: &Node, context: &Context, since: i64) -> Result<Self, Fault> {
        Ok(Reduced {
            axes: Axes::parse(node, context, since)?,
            keep_axes: node.attributes.int_or("keepdims", 1)? != 0,
            none_is_noop: node.attributes.int_or("noop_with_empty_axes", 0)? != 0,
        })
    }

    /// The axes before a run, sorted.
    pub fn axes(&self, inputs: &Facts, rank: usize) -> Result<Vec<usize>, Fault> {
        self.resolve(self.axes.get(inputs)?, rank)
    }

    /// The axes in a run, sorted.
    pub fn axes_of<B: Backend>(
        &self,
        inputs: &Values<B>,
        rank: usize,
    ) -> Result<Vec<usize>, Fault> {
        let axes = match &self.axes {
            Axes::Attribute(axes) => axes.clone(),
            Axes::Input => inputs.optional_ints(1)?.map(<[i64]>::to_vec),
        };
        self.resolve(axes, rank)
    }

    fn resolve(&self, axes: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, Fault> {
        match axes.filter(|axes| !axes.is_empty()) {
            Some(axes) => crate::ops::axes(&axes, rank),
            None if self.none_is_noop => Ok(Vec::new()),
            None => Ok((0..rank).collect()),
        }
    }

    /// The output's shape.
    pub fn shape(&self, shape: &[usize], axes: &[usize]) -> Vec<usize> {
        left(shape, axes, self.keep_axes)
    }

    /// Where samples lie in the output; `None` where they are reduced over.
    pub fn place(&self, samples: Samples, axes: &[usize]) -> Option<Samples> {
        left_place(samples, axes, self.keep_axes)
    }
}

/// Where samples lie in what is [`left`]; `None` where they are reduced over.
pub(super) fn left_place(samples: Samples, axes: &[usize], keep_axes: bool) -> Option<Samples> {
    if axes.contains(&samples.axis) {
        return None;
    }
    let gone = match keep_axes {
        true => 0,
        false => axes.iter().filter(|&&axis| axis < samples.axis).count(),
    };
    let axis = samples.axis.checked_sub(gone)?;
    Some(Samples { axis, ..samples })
}

/// `shape` with the `axes` gone, or of size 1.
pub(super) fn left(shape: &[usize], axes: &[usize], keep_axes: bool) -> Vec<usize> {
    let sizes = shape.iter().enumerate();
    let size = |(i, &size)| match (axes.contains(&i), keep_axes) {
        (true, true) => Some(1),
        (true, false) => None,
        (false, _) => Some(size),
    };
    sizes.filter_map(size).collect()
}

/// Neighbouring axes that are all reduced, or all kept, as one: the shape, and which of its axes are
/// reduced.
pub(super) fn merged(shape: &[usize], axes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut runs: Vec<(usize, bool)> = Vec::new();
    for (i, &size) in shape.iter().enumerate() {
        let reduced = axes.contains(&i);
        match runs.last_mut() {
            Some((run, kind)) if *kind == reduced => *run = run.saturating_mul(size),
            _ => runs.push((size, reduced)),
        }
    }
    let reduced = runs.iter().enumerate().filter(|(_, (_, reduced))| *reduced);
    let reduced = reduced.map(|(i, _)| i).collect();
    (runs.into_iter().map(|(size, _)| size).collect(), reduced)
}

/// For each element that is left, the elements that are reduced to it, in order.
pub(super) fn lanes<T: Copy>(
    values: &[T],
    shape: &[usize],
    axes: &[usize],
) -> Result<Vec<Vec<T>>, Fault> {
    let kept = left(shape, axes, true);
    let mut lanes = vec![Vec::new(); count(&kept)?];
    for (i, &value) in values.iter().enumerate() {
        let (mut rest, mut stride, mut lane) = (i, 1, 0);
        for (axis, &size) in shape.iter().enumerate().rev() {
            let size = size.max(1);
            if !axes.contains(&axis) {
                lane += rest % size * stride;
                stride *= size;
            }
            rest /= size;
        }
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(value);
        }
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_merge() {
        assert_eq!(merged(&[2, 3, 4, 5], &[2, 3]), (vec![6, 20], vec![1]));
        assert_eq!(merged(&[2, 3, 4], &[0, 2]), (vec![2, 3, 4], vec![0, 2]));
        assert_eq!(merged(&[2, 3], &[]), (vec![6], vec![]));
        assert_eq!(merged(&[], &[]), (vec![], vec![]));
    }

    #[test]
    fn lanes_keep_the_order() {
        let values = [0, 1, 2, 3, 4, 5];
        let rows = lanes(&values, &[2, 3], &[1]).expect("fits");
        assert_eq!(rows, [vec![0, 1, 2], vec![3, 4, 5]]);
        let columns = lanes(&values, &[2, 3], &[0]).expect("fits");
        assert_eq!(columns, [vec![0, 3], vec![1, 4], vec![2, 5]]);
        let empty = lanes(&[0; 0], &[2, 0], &[1]).expect("fits");
        assert_eq!(empty, [Vec::<i32>::new(), Vec::new()]);
    }
}
