//! Tensors: `TensorProto` to a [`Tensor`] of the right length.

use bytes::Bytes;

use crate::dtype::DType;
use crate::elements::{Raw, from_fields, from_raw};
use crate::error::Error;
use crate::external::External;
use crate::finite::check_finite;
use crate::proto;
use crate::tensor::{Data, Tensor};

/// Most dimensions a tensor may have.
pub(crate) const MAX_DIMS: usize = 64;

/// Decodes the weight that error messages call `name`; NaN in it are refused.
pub(crate) fn weight(
    proto: proto::Tensor,
    name: &str,
    external: &mut External,
) -> Result<Tensor, Error> {
    let tensor = tensor(proto, name, external)?;
    check_finite(name, &tensor.data)?;
    Ok(tensor)
}

/// Decodes the tensor that error messages call `name`, whatever its values are.
pub(crate) fn tensor(
    proto: proto::Tensor,
    name: &str,
    external: &mut External,
) -> Result<Tensor, Error> {
    let dtype = DType::from_code(proto.data_type).map_err(|dtype| Error::UnsupportedType {
        value: name.into(),
        dtype,
    })?;
    let shape = shape(&proto.dims, name)?;
    let count: usize = shape.iter().product();
    if proto.segment.is_some() {
        return Err(Error::Segmented {
            tensor: name.into(),
        });
    }
    check_fields(&proto, name)?;
    let data = if proto.data_location == 1 {
        outside(&proto, name, dtype, count, external)?
    } else {
        match proto.raw_data.as_ref().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => from_raw(bytes, name, dtype, count)?,
            None => from_fields(proto, name, dtype, count)?,
        }
    };
    if data.len() != count {
        return Err(wrong_length(
            name,
            &format!("{count} elements"),
            &data.len().to_string(),
        ));
    }
    Ok(Tensor { shape, data })
}

/// The dimensions, none of them negative, whose product fits.
pub(crate) fn shape(dims: &[i64], name: &str) -> Result<Vec<usize>, Error> {
    let refuse = |why| Error::Dims {
        value: name.into(),
        dims: dims[..dims.len().min(8)].into(),
        why,
    };
    if dims.len() > MAX_DIMS {
        return Err(refuse("more than 64 dimensions (the first 8 are shown)"));
    }
    let shape = dims
        .iter()
        .map(|&dim| usize::try_from(dim))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| refuse("a negative dimension; export with a fixed shape"))?;
    // Zeros are left out, so that [0, huge, huge] cannot overflow in a later product of its parts.
    let nonzero = shape.iter().filter(|&&dim| dim > 0);
    match nonzero.copied().try_fold(1_usize, usize::checked_mul) {
        Some(count) if isize::try_from(count).is_ok() => Ok(shape),
        _ => Err(refuse("more elements than any machine can hold")),
    }
}

/// Data lie in one place.
fn check_fields(proto: &proto::Tensor, name: &str) -> Result<(), Error> {
    let listed = [
        proto.raw_data.as_ref().map_or(0, Bytes::len),
        proto.float_data.len(),
        proto.int32_data.len(),
        proto.string_data.len(),
        proto.int64_data.len(),
        proto.double_data.len(),
        proto.uint64_data.len(),
        usize::from(proto.data_location == 1),
    ];
    match listed.into_iter().filter(|&len| len > 0).count() {
        0 | 1 => Ok(()),
        _ => Err(wrong_length(
            name,
            "its data in one field",
            "data in several",
        )),
    }
}

/// Elements that lie beside the file, decoded as they are read: large weights are held once.
fn outside(
    proto: &proto::Tensor,
    name: &str,
    dtype: DType,
    count: usize,
    external: &mut External,
) -> Result<Data, Error> {
    let mut raw = Raw::new(name, dtype, count);
    external.read(name, &proto.external_data, raw.stored(), |piece| {
        let there = raw.reserve(piece.room);
        there.then(|| raw.extend(piece.bytes)).transpose()?;
        Ok(there)
    })?;
    raw.finish()
}

pub(crate) fn wrong_length(name: &str, expected: &str, found: &str) -> Error {
    Error::DataLength {
        tensor: name.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tensor::Data;

    pub fn decoded(proto: proto::Tensor) -> Result<Tensor, Error> {
        super::tensor(proto, "w", &mut External::new(None))
    }

    pub fn tensor(dtype: DType, dims: &[i64]) -> proto::Tensor {
        proto::Tensor {
            data_type: dtype.code(),
            dims: dims.into(),
            ..Default::default()
        }
    }

    pub fn raw(dtype: DType, dims: &[i64], bytes: &[u8]) -> proto::Tensor {
        proto::Tensor {
            raw_data: Some(Bytes::copy_from_slice(bytes)),
            ..tensor(dtype, dims)
        }
    }

    pub fn floats(values: &[f32]) -> proto::Tensor {
        proto::Tensor {
            float_data: values.into(),
            ..tensor(DType::F32, &[values.len().try_into().unwrap()])
        }
    }

    #[test]
    fn bad_tensors_are_refused() {
        let ints = |dtype, value| proto::Tensor {
            int32_data: vec![value],
            ..tensor(dtype, &[1])
        };
        let cases = [
            (
                "undefined type",
                proto::Tensor::default(),
                "element type undefined",
            ),
            (
                "complex64",
                proto::Tensor {
                    data_type: 14,
                    ..Default::default()
                },
                "complex64",
            ),
            (
                "float8",
                proto::Tensor {
                    data_type: 17,
                    ..Default::default()
                },
                "float8e4m3fn",
            ),
            (
                "negative dimension",
                tensor(DType::F32, &[2, -1]),
                "negative",
            ),
            (
                "2^64 elements",
                tensor(DType::F32, &[1 << 32, 1 << 32]),
                "more elements",
            ),
            (
                "2^63 elements",
                tensor(DType::U8, &[1 << 62, 2]),
                "more elements",
            ),
            (
                "huge and zero",
                tensor(DType::F32, &[0, i64::MAX, i64::MAX]),
                "more elements",
            ),
            (
                "65 dimensions",
                tensor(DType::F32, &[1; 65]),
                "more than 64",
            ),
            (
                "no data",
                tensor(DType::F32, &[2]),
                "should hold 2 elements but holds 0",
            ),
            (
                "too much data",
                proto::Tensor {
                    dims: vec![],
                    ..floats(&[1.0, 2.0])
                },
                "1 elements but holds 2",
            ),
            (
                "claims 2^60 floats",
                raw(DType::F32, &[1 << 60], &[0; 4]),
                "but holds 4 bytes",
            ),
            (
                "bytes overflow",
                raw(DType::F64, &[1 << 62], &[0; 8]),
                "but holds 8 bytes",
            ),
            (
                "strings in raw_data",
                raw(DType::String, &[1], b"x"),
                "string_data",
            ),
            (
                "data twice",
                proto::Tensor {
                    float_data: vec![1.0],
                    ..raw(DType::F32, &[1], &[0; 4])
                },
                "several",
            ),
            (
                "segmented",
                proto::Tensor {
                    segment: Some(Bytes::new()),
                    ..floats(&[1.0])
                },
                "segmented",
            ),
            (
                "int8 of 128",
                ints(DType::I8, 128),
                "element 0 of tensor \"w\" is not a valid int8",
            ),
            ("uint8 of -1", ints(DType::U8, -1), "valid uint8"),
            ("float16 of 65536", ints(DType::F16, 65536), "valid float16"),
            ("bool of 2", ints(DType::Bool, 2), "valid bool"),
            ("raw bool of 2", raw(DType::Bool, &[1], &[2]), "valid bool"),
            (
                "string that is not UTF-8",
                proto::Tensor {
                    string_data: vec![Bytes::from_static(b"\xff")],
                    ..tensor(DType::String, &[1])
                },
                "valid string",
            ),
            (
                "external without a folder",
                proto::Tensor {
                    data_location: 1,
                    ..tensor(DType::F32, &[1])
                },
                "external",
            ),
        ];
        for (name, proto, expected) in cases {
            let error = decoded(proto).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn only_weights_must_be_numbers() {
        let nan = floats(&[1.0, f32::NAN]);
        assert!(matches!(decoded(nan.clone()).unwrap().data, Data::F32(_)));
        let error = weight(nan, "w", &mut External::new(None)).unwrap_err();
        assert!(error.to_string().contains("1 NaN"), "{error}");
    }
}
