//! Unique: the distinct elements, or slices of `axis`, sorted or in order of appearance; where each
//! first stands, which one each element is, and how often each stands. How many there are makes the
//! shape, so the input must be known.

use std::cmp::Ordering;

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::rows::coordinates;
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Elements, Fact, Facts, Values};

struct Unique {
    axis: Option<i64>,
    sorted: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Unique {
        axis: node.attributes.int("axis")?,
        sorted: node.attributes.int_or("sorted", 1)? != 0,
    }))
}

/// The distinct items, each with the items equal to it, in order.
fn groups(
    items: usize,
    sorted: bool,
    compare: impl Fn(usize, usize) -> Ordering,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..items).collect();
    // Stable, so each group keeps the order of appearance.
    order.sort_by(|&a, &b| compare(a, b));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for item in order {
        let group = groups.last_mut();
        match group.filter(|group| group.first().is_some_and(|&f| compare(f, item).is_eq())) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    if !sorted {
        groups.sort_by_key(|group| group.first().copied());
    }
    groups
}

impl Unique {
    /// The input's shape with an axis of items, and that axis.
    fn items(&self, shape: &[usize]) -> Result<(Vec<usize>, usize), Fault> {
        match self.axis {
            Some(axis) => Ok((shape.to_vec(), crate::ops::axis(axis, shape.len())?)),
            None => Ok((vec![count(shape)?], 0)),
        }
    }

    fn outputs(&self, x: &Fact, elements: &Elements) -> Result<Vec<Fact>, Fault> {
        let (mut shape, axis) = self.items(x.shape())?;
        let size = shape.get(axis).copied().unwrap_or(0);
        if elements.len() == 0 && size > 0 {
            return Err(Fault::Unsupported("slices without elements".into()));
        }
        // The places of each item's elements.
        let mut items: Vec<Vec<usize>> = vec![Vec::new(); size];
        for place in 0..elements.len() {
            let item = coordinates(place, &shape).get(axis).copied();
            if let Some(item) = item.and_then(|item| items.get_mut(item)) {
                item.push(place);
            }
        }
        let item = |i: usize| items.get(i).map(Vec::as_slice).unwrap_or_default();
        let compare = |a: usize, b: usize| {
            let places = item(a).iter().zip(item(b));
            let orders = places.map(|(&a, &b)| order(elements, a, b));
            orders.fold(Ordering::Equal, Ordering::then)
        };
        let groups = groups(size, self.sorted, compare);
        let first = |group: &Vec<usize>| group.first().copied().unwrap_or(0);
        let firsts: Vec<usize> = groups.iter().map(first).collect();
        let mut inverse = vec![0i64; size];
        for (number, group) in groups.iter().enumerate() {
            for &member in group {
                inverse
                    .iter_mut()
                    .skip(member)
                    .take(1)
                    .for_each(|slot| *slot = number as i64);
            }
        }
        // Where each element of the output stands in the input.
        let stride: usize = shape.iter().skip(axis + 1).product();
        let outer: usize = shape.iter().take(axis).product();
        let places = (0..outer).flat_map(|outer| {
            let start = move |item: usize| (outer * size + item) * stride;
            let starts = firsts.iter().map(move |&item| start(item));
            starts.flat_map(move |start| start..start + stride)
        });
        let unique = pick(elements, places.collect());
        shape
            .iter_mut()
            .skip(axis)
            .take(1)
            .for_each(|s| *s = groups.len());
        let list = |values: Vec<usize>| Fact::list(values.into_iter().map(|v| v as i64).collect());
        Ok(vec![
            Fact::known(x.dtype, shape, unique),
            list(firsts),
            Fact::list(inverse),
            list(groups.iter().map(Vec::len).collect()),
        ])
    }
}

/// How two elements compare.
fn order(elements: &Elements, a: usize, b: usize) -> Ordering {
    match elements {
        Elements::Float(values) => match (values.get(a), values.get(b)) {
            (Some(a), Some(b)) => a.partial_cmp(b).unwrap_or_else(|| a.total_cmp(b)),
            _ => Ordering::Equal,
        },
        Elements::Int(values) => values.get(a).cmp(&values.get(b)),
        Elements::Text(values) => values.get(a).cmp(&values.get(b)),
    }
}

fn pick(elements: &Elements, places: Vec<usize>) -> Elements {
    fn at<T: Clone>(values: &[T], places: Vec<usize>) -> Vec<T> {
        let values = places.into_iter().filter_map(|place| values.get(place));
        values.cloned().collect()
    }
    match elements {
        Elements::Float(values) => Elements::Float(at(values, places)),
        Elements::Int(values) => Elements::Int(at(values, places)),
        Elements::Text(values) => Elements::Text(at(values, places)),
    }
}

impl<B: Backend> Operator<B> for Unique {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let elements = x.elements().ok_or(Fault::Input {
            index: 0,
            what: "depends on the model's input, so the output has no fixed shape",
        })?;
        self.outputs(x, elements)
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Unsupported(
            "running what is known at inference".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        let case = |sorted| {
            Case::new("Unique")
                .outputs(4)
                .int("sorted", sorted)
                .constant(floats(&[6], &[2.0, 1.0, 1.0, 3.0, 4.0, 3.0]))
        };
        case(1).gives(&[4], &[1.0, 2.0, 3.0, 4.0]);
        case(1).output_gives(1, &[4], &[1.0, 0.0, 3.0, 4.0]);
        case(1).output_gives(2, &[6], &[1.0, 0.0, 0.0, 2.0, 3.0, 2.0]);
        case(1).output_gives(3, &[4], &[2.0, 1.0, 2.0, 1.0]);
        case(0).gives(&[4], &[2.0, 1.0, 3.0, 4.0]);
        case(0).output_gives(2, &[6], &[0.0, 1.0, 1.0, 2.0, 3.0, 2.0]);
        let slices = || Case::new("Unique").constant(ints(&[3, 2], &[5, 1, 0, 7, 5, 1]));
        slices().int("axis", 0).gives_ints(&[2, 2], &[0, 7, 5, 1]);
        slices()
            .int("axis", -1)
            .gives_ints(&[3, 2], &[1, 5, 7, 0, 1, 5]);
        slices().gives_ints(&[4], &[0, 1, 5, 7]);
        Case::new("Unique")
            .constant(texts(&[3], &["b", "a", "b"]))
            .gives_texts(&[2], &["a", "b"]);
        slices().int("axis", 2).fails("outside");
        Case::new("Unique")
            .input(floats(&[1], &[1.0]))
            .fails("no fixed shape");
    }
}
