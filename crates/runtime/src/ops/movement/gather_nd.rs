//! GatherND: each last axis of the indices names an element or a slice of the data, or, with
//! `batch_dims`, of the entry of the same batch. Indices count from either end.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::kept::Kept;
use super::rows::{Rows, computed_rows, known_rows, upload};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, on_device};

struct GatherNd<B: Backend> {
    batch_axes: usize,
    rows: Kept<Rows<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let batch_axes = node.attributes.int_or("batch_dims", 0)?;
    let batch_axes = usize::try_from(batch_axes)
        .map_err(|_| Fault::shape(format!("batch_dims {batch_axes} is negative")))?;
    Ok(Box::new(GatherNd {
        batch_axes,
        rows: Kept::new(),
    }))
}

/// The data as a matrix: a row for each place that indices can name.
struct Places<'a> {
    batch: &'a [usize],
    indexed: &'a [usize],
    slice: &'a [usize],
}

impl<'a> Places<'a> {
    fn of(data: &'a [usize], indices: &[usize], batch_axes: usize) -> Result<Self, Fault> {
        let misfit = || {
            Fault::shape(format!(
                "indices of shape {indices:?} do not name places of {data:?} \
                 with {batch_axes} batch axes"
            ))
        };
        let (&width, tuples) = indices.split_last().ok_or_else(misfit)?;
        let (batch, rest) = data.split_at_checked(batch_axes).ok_or_else(misfit)?;
        let (indexed, slice) = rest.split_at_checked(width).ok_or_else(misfit)?;
        if width == 0 || tuples.get(..batch_axes) != Some(batch) {
            return Err(misfit());
        }
        Ok(Places {
            batch,
            indexed,
            slice,
        })
    }

    /// For each of `len` tuples, the row where its batch starts.
    fn starts(&self, len: usize) -> Result<Vec<usize>, Fault> {
        let (batches, rows) = (count(self.batch)?, count(self.indexed)?);
        let each = len.checked_div(batches).unwrap_or(0).max(1);
        Ok((0..len).map(|i| i / each * rows).collect())
    }
}

impl<B: Backend> Operator<B> for GatherNd<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices) = (inputs.any(0)?, inputs.any(1)?);
        let places = Places::of(data.shape(), indices.shape(), self.batch_axes)?;
        let tuples = indices.shape().split_last().map_or(&[][..], |(_, t)| t);
        let shape = [tuples, places.slice].concat();
        if let Some(indices) = indices.known_ints() {
            known_rows(indices, places.indexed)?;
        } else if places.indexed.contains(&0) && !shape.contains(&0) {
            return Err(Fault::shape("an indexed axis has no entries"));
        }
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (data, indices) = (inputs.shape(0)?, inputs.shape(1)?);
        let places = Places::of(&data, &indices, self.batch_axes)?;
        let starts = places.starts(count(&indices)? / places.indexed.len())?;
        let rows = match inputs.fact(1).filter(|fact| fact.is_known()) {
            Some(fact) => self.rows.get(Some(fact), &data, || {
                let rows = known_rows(inputs.ints(1)?, places.indexed)?;
                let rows = rows.iter().zip(&starts).map(|(row, start)| row + start);
                Rows::known(rows.collect(), inputs.device)
            })?,
            None => {
                let rows = computed_rows::<B>(inputs.tensor(1)?, places.indexed)?;
                let starts = upload::<B>(starts, inputs.device)?;
                Rows {
                    indices: B::int_add(rows, starts),
                    unique: false,
                }
            }
        };
        let matrix = [
            count(places.batch)?.saturating_mul(count(places.indexed)?),
            count(places.slice)?,
        ];
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(matrix));
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(
            rows.take(x),
            Shape::from(on_device(out)),
        )])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |batch| {
            Case::new("GatherND")
                .int("batch_dims", batch)
                .input(counting(&[2, 2, 3]))
        };
        let elements = || ints(&[2, 3], &[0, 0, 1, -1, -2, -1]);
        case(0).constant(elements()).gives(&[2], &[1.0, 8.0]);
        case(0).input(elements()).gives(&[2], &[1.0, 8.0]);
        let slices = || ints(&[2, 1, 2], &[1, 0, 1, 0]);
        for case in [case(0).constant(slices()), case(0).input(slices())] {
            case.gives(&[2, 1, 3], &[6.0, 7.0, 8.0, 6.0, 7.0, 8.0]);
            case.gradient_agrees();
        }
        let batched = || ints(&[2, 1], &[1, 0]);
        for case in [case(1).constant(batched()), case(1).input(batched())] {
            case.gives(&[2, 3], &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
            case.gradient_agrees();
        }
        case(2)
            .constant(ints(&[2, 2, 1], &[0, 1, 2, -1]))
            .gives(&[2, 2], &[0.0, 4.0, 8.0, 11.0]);
        Case::new("GatherND")
            .constant(ints(&[2], &[i64::MAX, 1]))
            .constant(ints(&[1, 1], &[0]))
            .gives_ints(&[1], &[i64::MAX]);
    }

    #[test]
    fn faults() {
        let case = |batch, shape: &[usize], indices: &[i64]| {
            Case::new("GatherND")
                .int("batch_dims", batch)
                .input(counting(&[2, 2]))
                .constant(ints(shape, indices))
        };
        case(0, &[1], &[2]).fails("index 2 lies outside the 2");
        case(0, &[3], &[0; 3]).fails("do not name places");
        case(0, &[], &[0]).fails("do not name places");
        case(0, &[1, 0], &[]).fails("do not name places");
        case(1, &[3, 1], &[0; 3]).fails("do not name places");
        case(-1, &[1], &[0]).fails("batch_dims -1 is negative");
    }
}
