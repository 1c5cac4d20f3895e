//! ScatterElements, once Scatter: each update goes to its own place in the data, but for `axis` the
//! index, and replaces the element there or is added, multiplied, or compared to it.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::gather_elements::fits;
use super::kept::Kept;
use super::rows::{self, coordinates, strides, upload};
use super::scatter::{self, Reduction, Updates};
use crate::Fault;
use crate::ops::broadcast::wrapped;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct ScatterElements<B: Backend> {
    axis: i64,
    reduction: Reduction,
    updates: Kept<Updates<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(ScatterElements {
        axis: node.attributes.int_or("axis", 0)?,
        reduction: Reduction::parse(node)?,
        updates: Kept::new(),
    }))
}

/// Where each of the indices' places starts in the data as a list, the index being 0.
fn starts(data: &[usize], indices: &[usize], axis: usize) -> Result<Vec<usize>, Fault> {
    let strides = strides(data);
    let start = |index| {
        let places = coordinates(index, indices).into_iter().zip(&strides);
        let others = places.enumerate().filter(|&(i, _)| i != axis);
        others.map(|(_, (place, stride))| place * stride).sum()
    };
    Ok((0..count(indices)?).map(start).collect())
}

fn known(
    data: &[usize],
    shape: &[usize],
    indices: &[i64],
    axis: usize,
) -> Result<Vec<usize>, Fault> {
    let size = data.get(axis).copied().unwrap_or(0);
    let stride = strides(data).get(axis).copied().unwrap_or(1);
    let starts = starts(data, shape, axis)?;
    let places = rows::positions(indices, size)?.into_iter().zip(starts);
    Ok(places
        .map(|(index, start)| start + index * stride)
        .collect())
}

impl<B: Backend> Operator<B> for ScatterElements<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices, updates) = (inputs.any(0)?, inputs.any(1)?, inputs.any(2)?);
        let axis = crate::ops::axis(self.axis, data.shape().len())?;
        let size = fits(data.shape(), indices.shape(), axis)?;
        if updates.shape() != indices.shape() || updates.dtype != data.dtype {
            return Err(Fault::shape(format!(
                "updates {updates} are not {}{:?}",
                data.dtype,
                indices.shape()
            )));
        }
        match indices.known_ints() {
            Some(known_indices) => {
                let rows = known(data.shape(), indices.shape(), known_indices, axis)?;
                scatter::check(&rows, self.reduction)?;
            }
            None => {
                self.reduction.check_computed()?;
                if size == 0 && !indices.shape().contains(&0) {
                    return Err(Fault::shape("the axis has no entries"));
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
        let (data, shape) = (inputs.shape(0)?, inputs.shape(1)?);
        let axis = crate::ops::axis(self.axis, data.len())?;
        if shape.contains(&0) {
            return Ok(vec![inputs.tensor(0)?]);
        }
        let list = |x, len| B::float_reshape(x, Shape::from([len, 1]));
        let (len, device) = (count(&shape)?, inputs.device);
        let x = list(inputs.tensor(0)?, count(&data)?);
        let updates = list(inputs.tensor(2)?, len);
        let out = match inputs.fact(1).filter(|fact| fact.is_known()) {
            Some(fact) => {
                let rounds = self.updates.get(Some(fact), &data, || {
                    let rows = known(&data, &shape, inputs.ints(1)?, axis)?;
                    Updates::known(rows, self.reduction, device)
                })?;
                rounds.apply(x, updates, self.reduction)
            }
            None => {
                let size = data.get(axis).copied().unwrap_or(0);
                let stride = strides(&data).get(axis).copied().unwrap_or(1) as i64;
                let rows = rows::computed::<B>(inputs.tensor(1)?, size);
                let starts = upload::<B>(starts(&data, &shape, axis)?, device)?;
                let rows = B::int_add(B::int_mul_scalar(rows, stride.into()), starts);
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

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, outputs.first()?.shape().len()).ok()?;
        let place = samples.first().copied().flatten()?;
        let alike = samples.iter().all(|other| *other == Some(place));
        (alike && place.axis != axis).then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn case(axis: i64, reduction: &str) -> Case {
        Case::new("ScatterElements")
            .opset(18)
            .int("axis", axis)
            .string("reduction", reduction)
            .input(counting(&[2, 3]))
    }

    fn updates() -> crate::ops::testing::Operand {
        floats(&[1, 3], &[10.0, 20.0, 30.0])
    }

    #[test]
    fn reductions() {
        // Duplicates: two updates of one place.
        let indices = || ints(&[1, 3], &[1, -1, 1]);
        let at = |reduction: &str| case(1, reduction).constant(indices()).input(updates());
        for (reduction, row) in [
            ("none", [0.0, 30.0, 20.0]),
            ("add", [0.0, 41.0, 22.0]),
            ("mul", [0.0, 300.0, 40.0]),
            ("max", [0.0, 30.0, 20.0]),
            ("min", [0.0, 1.0, 2.0]),
        ] {
            let out = [&row[..], &[3.0, 4.0, 5.0]].concat();
            at(reduction).gives(&[2, 3], &out);
            if reduction != "min" {
                at(reduction).gradient_agrees();
            }
        }
        case(1, "min")
            .constant(indices())
            .input(floats(&[1, 3], &[-1.0, 1.0, -3.0]))
            .gradient_agrees();
    }

    #[test]
    fn forms() {
        case(0, "none")
            .constant(ints(&[1, 3], &[0, 1, 0]))
            .input(updates())
            .gives(&[2, 3], &[10.0, 1.0, 30.0, 3.0, 20.0, 5.0]);
        let computed = |reduction| {
            case(0, reduction)
                .input(ints(&[1, 3], &[0, -1, 0]))
                .input(updates())
        };
        computed("none").gives(&[2, 3], &[10.0, 1.0, 30.0, 3.0, 20.0, 5.0]);
        computed("none").gradient_agrees();
        computed("add").gives(&[2, 3], &[10.0, 1.0, 32.0, 3.0, 24.0, 5.0]);
        computed("add").gradient_agrees();
        computed("mul").fails("at indices that depend on the model's input is not supported");
        Case::new("Scatter")
            .opset(10)
            .constant(ints(&[2], &[i64::MAX, 1]))
            .constant(ints(&[1], &[1]))
            .constant(ints(&[1], &[i64::MIN]))
            .gives_ints(&[2], &[i64::MAX, i64::MIN]);
        case(0, "none")
            .constant(ints(&[0, 3], &[]))
            .constant(floats(&[0, 3], &[]))
            .gives(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn faults() {
        let indices = |index| ints(&[1, 3], &[index, 0, 0]);
        case(0, "none")
            .constant(indices(2))
            .input(updates())
            .fails("index 2");
        case(0, "none")
            .constant(ints(&[1, 2], &[0; 2]))
            .input(updates())
            .fails("are not");
        case(0, "none")
            .constant(indices(0))
            .input(ints(&[1, 3], &[0; 3]))
            .fails("are not");
        case(0, "none")
            .constant(ints(&[3], &[0; 3]))
            .input(updates())
            .fails("do not lie inside");
        case(0, "mean")
            .constant(indices(0))
            .input(updates())
            .fails("reduction mean");
    }
}
