//! Einsum: sums over products of operands whose axes have labels. Each operand's diagonal is taken
//! where it repeats a label; then one operand after another is multiplied as matrices, and a label
//! is summed over as soon as nothing later needs it.

use std::collections::BTreeMap;

use burn_backend::{Backend, FloatDType, Shape, Slice, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::equation::{Label, Labels, labels};
use crate::Fault;
use crate::ops::broadcast::wrapped;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, on_device};

struct Einsum {
    equation: String,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let equation = node.attributes.string("equation")?;
    let equation = equation.ok_or_else(|| Fault::shape("attribute equation is missing"))?;
    Ok(Box::new(Einsum {
        equation: equation.into(),
    }))
}

type Sizes = BTreeMap<Label, usize>;

/// The size of each label; sizes of 1 broadcast.
fn sizes(labels: &Labels, shapes: &[Vec<usize>]) -> Result<Sizes, Fault> {
    let mut sizes = Sizes::new();
    for (labels, shape) in labels.operands.iter().zip(shapes) {
        for (&label, &size) in labels.iter().zip(shape) {
            match sizes.get(&label).copied() {
                Some(other) if other != size && other != 1 && size != 1 => {
                    return Err(Fault::shape(format!(
                        "one label has sizes {other} and {size}"
                    )));
                }
                Some(other) if other != 1 => {}
                _ => {
                    sizes.insert(label, size);
                }
            }
        }
        repeated(labels, shape)?;
    }
    Ok(sizes)
}

/// Refuses a label that one operand has at axes of two sizes.
fn repeated(labels: &[Label], shape: &[usize]) -> Result<(), Fault> {
    let mut seen = Sizes::new();
    for (&label, &size) in labels.iter().zip(shape) {
        if *seen.entry(label).or_insert(size) != size {
            return Err(Fault::shape("a diagonal of axes of two sizes"));
        }
    }
    Ok(())
}

impl<B: Backend> Operator<B> for Einsum {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shapes = (0..inputs.len()).map(|i| inputs.shape(i).map(<[usize]>::to_vec));
        let shapes: Vec<Vec<usize>> = shapes.collect::<Result<_, _>>()?;
        let dtype = inputs.any(0)?.dtype;
        if inputs.0.iter().flatten().any(|fact| fact.dtype != dtype) {
            return Err(Fault::shape("the inputs are not of one type"));
        }
        let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
        let labels = labels(&self.equation, &ranks)?;
        let sizes = sizes(&labels, &shapes)?;
        let size = |label: &Label| sizes.get(label).copied().unwrap_or(1);
        Ok(vec![Fact::new(
            dtype,
            labels.output.iter().map(size).collect(),
        )])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let dtype = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        let shapes = (0..inputs.len()).map(|i| inputs.shape(i));
        let shapes: Vec<Vec<usize>> = shapes.collect::<Result<_, _>>()?;
        if shapes.iter().any(|shape| shape.contains(&0)) {
            let shape = Shape::from(on_device(out));
            return Ok(vec![B::float_zeros(shape, inputs.device, FloatDType::F32)]);
        }
        let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
        let labels = labels(&self.equation, &ranks)?;
        let sizes = sizes(&labels, &shapes)?;
        let mut product: Option<Labelled<B>> = None;
        for (i, operand) in labels.operands.iter().enumerate() {
            let operand = Labelled::<B>::of(inputs.tensor(i)?, operand)?;
            let later = labels.operands.iter().skip(i + 1).flatten();
            let needed: Vec<Label> = later.chain(&labels.output).copied().collect();
            product = Some(match product {
                None => operand.summed(|label| needed.contains(&label)),
                Some(product) => product.times(operand, &needed, &sizes)?,
            });
        }
        let product = product.ok_or_else(|| Fault::shape("there are no operands"))?;
        let x = B::float_permute(product.x, &places(&product.labels, &labels.output)?);
        let x = B::float_reshape(x, Shape::from(on_device(out)));
        Ok(vec![wrapped::<B>(dtype, x)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let ranks = (0..inputs.len()).map(|i| inputs.get(i).map(|fact| fact.shape().len()));
        let labels = labels(&self.equation, &ranks.collect::<Option<Vec<_>>>()?).ok()?;
        let mut found: Option<(Label, Samples)> = None;
        for (labels, held) in labels.operands.iter().zip(samples) {
            let Some(held) = held else { continue };
            let label = *labels.get(held.axis)?;
            let (other, place) = *found.get_or_insert((label, *held));
            if other != label || place.block != held.block {
                return None;
            }
        }
        let (label, place) = found?;
        for (i, (labels, held)) in labels.operands.iter().zip(samples).enumerate() {
            let mut at = (0..labels.len()).filter(|&axis| labels.get(axis) == Some(&label));
            let one = |axis: usize| inputs.get(i).and_then(|f| f.shape().get(axis)) == Some(&1);
            let fits = match (at.next(), at.next()) {
                (None, _) => true,
                (Some(axis), None) => held.is_some() || one(axis),
                _ => false,
            };
            if !fits {
                return None;
            }
        }
        let axis = labels.output.iter().position(|&other| other == label)?;
        Some(vec![Some(Samples { axis, ..place }); outputs.len()])
    }
}

/// A tensor with a label for each axis, none twice.
struct Labelled<B: Backend> {
    x: FloatTensor<B>,
    labels: Vec<Label>,
}

/// For each of `labels`, where it stands.
fn places(of: &[Label], labels: &[Label]) -> Result<Vec<usize>, Fault> {
    let place = |label| of.iter().position(|other| other == label);
    let places: Option<Vec<usize>> = labels.iter().map(place).collect();
    places.ok_or_else(|| Fault::shape("the equation loses an axis"))
}

impl<B: Backend> Labelled<B> {
    /// Takes the diagonal of every label that stands twice.
    fn of(mut x: FloatTensor<B>, labels: &[Label]) -> Result<Self, Fault> {
        let mut labels = labels.to_vec();
        while let Some((a, b)) = twice(&labels) {
            let shape = x.shape().to_vec();
            let size = shape.get(a).copied().unwrap_or(1);
            let others = (0..labels.len()).filter(|&i| i != a && i != b);
            let order: Vec<usize> = others.chain([a, b]).collect();
            let rest: Vec<usize> = order
                .iter()
                .filter_map(|&i| shape.get(i))
                .copied()
                .collect();
            let rest = rest.get(..rest.len().saturating_sub(2)).unwrap_or_default();
            // Every size + 1st element of the flattened square.
            x = B::float_permute(x, &order);
            x = B::float_reshape(x, Shape::from([count(rest)?, size * size]));
            let whole = Slice::from(0..count(rest)?);
            let diagonal = Slice::new(0, Some((size * size) as isize), size as isize + 1);
            x = B::float_slice(x, &[whole, diagonal]);
            x = B::float_reshape(x, Shape::from([rest, &[size]].concat()));
            let label = labels.remove(b);
            labels.remove(a);
            labels.push(label);
        }
        Ok(Labelled { x, labels })
    }

    /// Sums over the labels that are not `kept`.
    fn summed(self, kept: impl Fn(Label) -> bool) -> Self {
        let mut x = self.x;
        let mut shape = x.shape().to_vec();
        for (axis, &label) in self.labels.iter().enumerate() {
            if !kept(label) {
                x = B::float_sum_dim(x, axis);
                shape.iter_mut().skip(axis).take(1).for_each(|s| *s = 1);
            }
        }
        let axes = shape.into_iter().zip(self.labels);
        let (shape, labels): (Vec<usize>, Vec<Label>) =
            axes.filter(|&(_, label)| kept(label)).unzip();
        let x = B::float_reshape(x, Shape::from(shape));
        Labelled { x, labels }
    }

    /// The axes of `labels` in groups, each stretched and merged to one.
    fn grouped(self, groups: [&[Label]; 3], sizes: &Sizes) -> Result<FloatTensor<B>, Fault> {
        let order = groups.concat();
        let size = |label: &Label| sizes.get(label).copied().unwrap_or(1);
        let x = B::float_permute(self.x, &places(&self.labels, &order)?);
        let full: Vec<usize> = order.iter().map(size).collect();
        let x = match x.shape().to_vec() == full {
            true => x,
            false => B::float_expand(x, Shape::from(full)),
        };
        let merged = groups.map(|labels| labels.iter().map(size).product::<usize>());
        Ok(B::float_reshape(x, Shape::from(merged)))
    }

    /// The product, summed over labels that are not needed later.
    fn times(self, other: Self, needed: &[Label], sizes: &Sizes) -> Result<Self, Fault> {
        let (mine, its) = (self.labels.clone(), other.labels.clone());
        let left = self.summed(|label| needed.contains(&label) || its.contains(&label));
        let right = other.summed(|label| needed.contains(&label) || mine.contains(&label));
        let shared = left
            .labels
            .iter()
            .filter(|label| right.labels.contains(label));
        let (batch, inner): (Vec<Label>, Vec<Label>) =
            shared.copied().partition(|label| needed.contains(label));
        let only = |labels: &[Label], other: &[Label]| -> Vec<Label> {
            let only = labels.iter().filter(|label| !other.contains(label));
            only.copied().collect()
        };
        let rows = only(&left.labels, &right.labels);
        let columns = only(&right.labels, &left.labels);
        let left = left.grouped([&batch, &rows, &inner], sizes)?;
        let right = right.grouped([&batch, &inner, &columns], sizes)?;
        let labels = [batch, rows, columns].concat();
        let shape = labels
            .iter()
            .map(|label| sizes.get(label).copied().unwrap_or(1));
        let shape = Shape::from(shape.collect::<Vec<usize>>());
        let x = B::float_reshape(B::float_matmul(left, right), shape);
        Ok(Labelled { x, labels })
    }
}

/// The axes of a label that stands twice.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    labels.iter().enumerate().find_map(|(a, label)| {
        let mut later = labels.iter().enumerate().skip(a + 1);
        later
            .find(|(_, other)| *other == label)
            .map(|(b, _)| (a, b))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    fn case(equation: &str, shapes: &[&[usize]]) -> Case {
        let case = Case::new("Einsum").string("equation", equation);
        shapes
            .iter()
            .fold(case, |case, shape| case.input(counting(shape)))
    }

    #[test]
    fn one_operand() {
        case("ij->ji", &[&[2, 3]]).gives(&[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        case("ba", &[&[2, 3]]).gives(&[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        case("ij->i", &[&[2, 3]]).gives(&[2], &[3.0, 12.0]);
        case("ij->", &[&[2, 3]]).gives(&[], &[15.0]);
        case("ii->i", &[&[3, 3]]).gives(&[3], &[0.0, 4.0, 8.0]);
        case("ii", &[&[3, 3]]).gives(&[], &[12.0]);
        case("...ii->...i", &[&[2, 2, 2]]).gives(&[2, 2], &[0.0, 3.0, 4.0, 7.0]);
        case("iji->ji", &[&[2, 2, 2]]).gives(&[2, 2], &[0.0, 5.0, 2.0, 7.0]);
        case("iii->i", &[&[2, 2, 2]]).gives(&[2], &[0.0, 7.0]);
        case("...->...", &[&[2]]).gives(&[2], &[0.0, 1.0]);
        case("->", &[&[]]).gives(&[], &[0.0]);
    }

    #[test]
    fn products() {
        case("ij,jk", &[&[2, 3], &[3, 2]]).gives(&[2, 2], &[10.0, 13.0, 28.0, 40.0]);
        case("ij,jk->ki", &[&[2, 3], &[3, 2]]).gives(&[2, 2], &[10.0, 28.0, 13.0, 40.0]);
        case("i,i", &[&[3], &[3]]).gives(&[], &[5.0]);
        case("i,j->ij", &[&[2], &[2]]).gives(&[2, 2], &[0.0, 0.0, 0.0, 1.0]);
        case("...i,...i->...", &[&[2, 3], &[1, 3]]).gives(&[2], &[5.0, 14.0]);
        case("i,i,i->", &[&[3], &[3], &[3]]).gives(&[], &[9.0]);
        case("ij,j,k->i", &[&[2, 2], &[2], &[3]]).gives(&[2], &[3.0, 9.0]);
        case("ij,ij->ij", &[&[2, 2], &[2, 2]]).gives(&[2, 2], &[0.0, 1.0, 4.0, 9.0]);
        // A label of size 1 broadcasts, summed over or not.
        case("i,i->", &[&[1], &[3]]).gives(&[], &[0.0]);
        case("bij,bjk->bik", &[&[2, 1, 2], &[2, 2, 1]]).gives(&[2, 1, 1], &[1.0, 13.0]);
        case("...ij,...jk->...ik", &[&[2, 1, 2], &[2, 1]]).gives(&[2, 1, 1], &[1.0, 3.0]);
        Case::new("Einsum")
            .string("equation", "i,i")
            .constant(ints(&[2], &[3, 4]))
            .constant(ints(&[2], &[5, 6]))
            .gives_ints(&[], &[39]);
    }

    #[test]
    fn gradients() {
        for (equation, shapes) in [
            ("ii->i", vec![vec![3, 3]]),
            ("ij,jk->ki", vec![vec![2, 3], vec![3, 2]]),
            ("...i,...i->...", vec![vec![2, 3], vec![1, 3]]),
            ("bhqd,bhkd->bhqk", vec![vec![1, 2, 2, 3], vec![1, 2, 3, 3]]),
            ("ij,j,k->i", vec![vec![2, 2], vec![2], vec![3]]),
        ] {
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            case(equation, &shapes).gradient_agrees();
        }
    }

    #[test]
    fn faults() {
        case("ij,jk", &[&[2, 3], &[2, 2]]).fails("one label has sizes 3 and 2");
        case("ii", &[&[2, 1]]).fails("two sizes");
        case("ij", &[&[2]]).fails("does not fit the equation");
        case("i->j", &[&[2]]).fails("none of an operand");
        case("i,i", &[&[2]]).fails("has 2 operands instead of 1");
        case("i+", &[&[2]]).fails("term");
        Case::new("Einsum")
            .input(counting(&[1]))
            .fails("equation is missing");
    }
}
