//! ScatterND: each last axis of the indices names an element or a slice of the data, which its
//! update replaces, or is added to, multiplied with, or compared to.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::kept::Kept;
use super::rows::{computed_rows, known_rows};
use super::scatter::{self, Reduction, Updates};
use crate::Fault;
use crate::ops::broadcast::wrapped;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct ScatterNd<B: Backend> {
    reduction: Reduction,
    updates: Kept<Updates<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(ScatterNd {
        reduction: Reduction::parse(node)?,
        updates: Kept::new(),
    }))
}

/// The sizes of the axes that indices name, and of the slices.
fn places<'a>(
    data: &'a [usize],
    indices: &[usize],
    updates: &[usize],
) -> Result<(&'a [usize], &'a [usize]), Fault> {
    let misfit = || {
        Fault::shape(format!(
            "indices {indices:?} and updates {updates:?} do not fit the data {data:?}"
        ))
    };
    let (&width, tuples) = indices.split_last().ok_or_else(misfit)?;
    let (indexed, slice) = data.split_at_checked(width).ok_or_else(misfit)?;
    match width > 0 && [tuples, slice].concat() == updates {
        true => Ok((indexed, slice)),
        false => Err(misfit()),
    }
}

impl<B: Backend> Operator<B> for ScatterNd<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices, updates) = (inputs.any(0)?, inputs.any(1)?, inputs.any(2)?);
        let (indexed, _) = places(data.shape(), indices.shape(), updates.shape())?;
        if updates.dtype != data.dtype {
            return Err(Fault::shape("data and updates are of two types"));
        }
        match indices.known_ints() {
            Some(indices) => scatter::check(&known_rows(indices, indexed)?, self.reduction)?,
            None => {
                self.reduction.check_computed()?;
                if indexed.contains(&0) && !updates.shape().contains(&0) {
                    return Err(Fault::shape("an indexed axis has no entries"));
                }
            }
        }
        Ok(vec![data.with_shape(data.shape().to_vec())])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (data, shape) = (inputs.shape(0)?, inputs.shape(2)?);
        if shape.contains(&0) {
            return Ok(vec![inputs.tensor(0)?]);
        }
        let indices = inputs.shape(1)?;
        let (indexed, slice) = places(&data, &indices, &shape)?;
        let width = count(slice)?;
        let matrix = |x, rows| B::float_reshape(x, Shape::from([rows, width]));
        let x = matrix(inputs.tensor(0)?, count(indexed)?);
        let updates = matrix(inputs.tensor(2)?, count(&indices)? / indexed.len());
        let out = match inputs.fact(1).filter(|fact| fact.is_known()) {
            Some(fact) => {
                let rounds = self.updates.get(Some(fact), &data, || {
                    let rows = known_rows(inputs.ints(1)?, indexed)?;
                    Updates::known(rows, self.reduction, inputs.device)
                })?;
                rounds.apply(x, updates, self.reduction)
            }
            None => {
                let rows = computed_rows::<B>(inputs.tensor(1)?, indexed)?;
                scatter::computed::<B>(x, rows, updates, self.reduction)
            }
        };
        let out = B::float_reshape(out, Shape::from(data));
        Ok(vec![match outputs.first() {
            Some(fact) if self.reduction != Reduction::None => wrapped::<B>(fact.dtype, out),
            _ => out,
        }])
    }

    fn moves(&self, index: usize) -> bool {
        self.reduction == Reduction::None && index != 1
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn case(reduction: &str) -> Case {
        Case::new("ScatterND")
            .opset(18)
            .string("reduction", reduction)
            .input(counting(&[3, 2]))
    }

    #[test]
    fn reductions() {
        let slices = |reduction| {
            case(reduction)
                .constant(ints(&[2, 1], &[-1, 2]))
                .input(floats(&[2, 2], &[10.0, 20.0, 30.0, 40.0]))
        };
        for (reduction, row) in [
            ("none", [30.0, 40.0]),
            ("add", [44.0, 65.0]),
            ("mul", [1200.0, 4000.0]),
            ("max", [30.0, 40.0]),
            ("min", [4.0, 5.0]),
        ] {
            let out = [&[0.0, 1.0, 2.0, 3.0], &row[..]].concat();
            slices(reduction).gives(&[3, 2], &out);
            if reduction != "min" {
                slices(reduction).gradient_agrees();
            }
        }
    }

    #[test]
    fn forms() {
        let elements = || ints(&[2, 2], &[0, 1, -1, 0]);
        let updates = || floats(&[2], &[10.0, 20.0]);
        let out = [0.0, 10.0, 2.0, 3.0, 20.0, 5.0];
        let known = case("none").constant(elements()).input(updates());
        known.gives(&[3, 2], &out);
        known.gradient_agrees();
        let computed = |reduction| case(reduction).input(elements()).input(updates());
        computed("none").gives(&[3, 2], &out);
        computed("none").gradient_agrees();
        computed("add").gives(&[3, 2], &[0.0, 11.0, 2.0, 3.0, 24.0, 5.0]);
        computed("max").fails("that depend on the model's input is not supported");
        Case::new("ScatterND")
            .constant(ints(&[2], &[i64::MAX, 1]))
            .constant(ints(&[1, 1], &[1]))
            .constant(ints(&[1], &[i64::MIN]))
            .gives_ints(&[2], &[i64::MAX, i64::MIN]);
    }

    #[test]
    fn faults() {
        let case = |shape: &[usize], indices: &[i64], updates: &[usize]| {
            case("none")
                .constant(ints(shape, indices))
                .input(counting(updates))
        };
        case(&[1, 1], &[3], &[1, 2]).fails("index 3 lies outside the 3");
        case(&[1, 1], &[0], &[1]).fails("do not fit the data");
        case(&[1, 3], &[0; 3], &[1]).fails("do not fit the data");
        case(&[1, 0], &[], &[1, 3, 2]).fails("do not fit the data");
    }
}
