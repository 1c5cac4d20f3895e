//! Sparse weights, made dense.

use crate::decode;
use crate::error::Error;
use crate::proto;
use crate::tensor::{Data, Tensor};
use crate::validate::Context;

/// The dense tensor and its name. The zeros are charged to the budget: 30 bytes can claim any number of them.
pub(crate) fn dense(
    proto: proto::SparseTensor,
    context: &mut Context,
) -> Result<(String, Tensor), Error> {
    let mut values = proto.values.unwrap_or_default();
    let name = std::mem::take(&mut values.name);
    let refuse = |why| Error::Sparse {
        tensor: name.clone(),
        why,
    };
    let shape = decode::shape(&proto.dims, &name)?;
    let values = decode::weight(values, &name, context.external)?;
    let indices = decode::tensor(proto.indices.unwrap_or_default(), &name, context.external)?;
    let count: usize = shape.iter().product();
    let positions = positions(&indices, values.len(), &shape).ok_or_else(|| {
        refuse("its indices are not one int64 for each value, ascending and inside its shape")
    })?;
    let size = values.dtype().size();
    let size = size.ok_or_else(|| refuse("its element type cannot be sparse"))?;
    context.budget.charge(count.saturating_mul(size))?;
    let data = scatter(&values.data, &positions, count);
    let data = data.ok_or_else(|| refuse("its element type cannot be sparse"))?;
    Ok((name, Tensor { shape, data }))
}

/// Where each value goes, counted in row-major order; `[n]` indices count so themselves, `[n, rank]` are coordinates.
fn positions(indices: &Tensor, values: usize, shape: &[usize]) -> Option<Vec<usize>> {
    let Data::I64(numbers) = &indices.data else {
        return None;
    };
    let count: usize = shape.iter().product();
    let bounds = match *indices.shape.as_slice() {
        [n] if n == values => &[count][..],
        [n, rank] if n == values && rank == shape.len() && rank > 0 => shape,
        _ => return None,
    };
    let position = |coordinates: &[i64]| {
        coordinates
            .iter()
            .zip(bounds)
            .try_fold(0_usize, |position, (&at, &bound)| {
                let at = usize::try_from(at).ok().filter(|at| *at < bound)?;
                position.checked_mul(bound)?.checked_add(at)
            })
    };
    let positions: Vec<_> = numbers
        .chunks(bounds.len())
        .map(position)
        .collect::<Option<_>>()?;
    positions.is_sorted_by(|a, b| a < b).then_some(positions)
}

fn scatter(values: &Data, positions: &[usize], count: usize) -> Option<Data> {
    fn dense<T: Copy + Default>(values: &[T], positions: &[usize], count: usize) -> Vec<T> {
        let mut dense = vec![T::default(); count];
        for (&value, &position) in values.iter().zip(positions) {
            if let Some(slot) = dense.get_mut(position) {
                *slot = value;
            }
        }
        dense
    }
    Some(match values {
        Data::F32(v) => Data::F32(dense(v, positions, count)),
        Data::F64(v) => Data::F64(dense(v, positions, count)),
        Data::F16(v) => Data::F16(dense(v, positions, count)),
        Data::BF16(v) => Data::BF16(dense(v, positions, count)),
        Data::I64(v) => Data::I64(dense(v, positions, count)),
        Data::I32(v) => Data::I32(dense(v, positions, count)),
        Data::I16(v) => Data::I16(dense(v, positions, count)),
        Data::I8(v) => Data::I8(dense(v, positions, count)),
        Data::U64(v) => Data::U64(dense(v, positions, count)),
        Data::U32(v) => Data::U32(dense(v, positions, count)),
        Data::U16(v) => Data::U16(dense(v, positions, count)),
        Data::U8(v) => Data::U8(dense(v, positions, count)),
        Data::Bool(v) => Data::Bool(dense(v, positions, count)),
        Data::String(_) | Data::I4(_) | Data::U4(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{floats, tensor};
    use crate::dtype::DType;

    fn found(
        dims: &[i64],
        values: &[f32],
        layout: &[i64],
        indices: &[i64],
    ) -> Result<Vec<f32>, Error> {
        let mut values = floats(values);
        values.name = "w".into();
        let indices = proto::Tensor {
            int64_data: indices.into(),
            ..tensor(DType::I64, layout)
        };
        let proto = proto::SparseTensor {
            values: Some(values),
            indices: Some(indices),
            dims: dims.into(),
        };
        let (name, dense) = Context::test(|context| super::dense(proto, context))?;
        assert_eq!((name.as_str(), dense.shape.len()), ("w", dims.len()));
        Ok(dense.to_f32().unwrap().into_owned())
    }

    #[test]
    fn both_layouts() {
        let expected = vec![0.0, 1.0, 0.0, 0.0, 0.0, 2.0];
        assert_eq!(
            found(&[2, 3], &[1.0, 2.0], &[2], &[1, 5]).unwrap(),
            expected
        );
        let coordinates = found(&[2, 3], &[1.0, 2.0], &[2, 2], &[0, 1, 1, 2]);
        assert_eq!(coordinates.unwrap(), expected);
        assert_eq!(found(&[2], &[], &[0], &[]).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn bad_sparse_tensors_are_refused() {
        type Case<'a> = (&'a str, &'a [i64], &'a [i64], &'a [i64], &'a str);
        let cases: &[Case] = &[
            ("beyond the end", &[2, 3], &[2], &[1, 6], "inside its shape"),
            ("negative", &[2, 3], &[2], &[-1, 5], "inside its shape"),
            ("not ascending", &[2, 3], &[2], &[5, 1], "ascending"),
            ("twice", &[2, 3], &[2], &[1, 1], "ascending"),
            ("too few", &[2, 3], &[1], &[1], "one int64 for each value"),
            ("another rank", &[2, 3], &[2, 1], &[1, 5], "indices"),
            ("outside a row", &[2, 3], &[2, 2], &[0, 3, 1, 2], "inside"),
            (
                "a terabyte",
                &[1 << 20, 1 << 18],
                &[2],
                &[1, 5],
                "bytes of memory",
            ),
            ("2^64", &[1 << 32, 1 << 32], &[2], &[1, 5], "more elements"),
        ];
        for (name, dims, layout, indices, expected) in cases {
            let error = found(dims, &[1.0, 2.0], layout, indices).expect_err(name);
            assert!(error.to_string().contains(expected), "{name}: {error}");
        }
    }
}
