//! Constants: `TensorProto` to a [`Tensor`] of the right length with finite values.

use bytes::Bytes;

use crate::dtype::DType;
use crate::error::Error;
use crate::external::External;
use crate::proto;
use crate::tensor::{Data, Tensor, bf16_to_f32, f16_to_f32};

/// Most dimensions a tensor may have.
pub(crate) const MAX_DIMS: usize = 64;

/// Decodes the tensor that error messages call `name`.
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
    let count = shape.iter().product();
    if proto.segment.is_some() {
        return Err(Error::Segmented {
            tensor: name.into(),
        });
    }
    let data = match raw(&proto, name, dtype, count, external)? {
        Some(bytes) => from_raw(&bytes, name, dtype, count)?,
        None => from_fields(proto, name, dtype)?,
    };
    if data.len() != count {
        return Err(wrong_length(
            name,
            &format!("{count} elements"),
            &data.len().to_string(),
        ));
    }
    check_finite(name, &data)?;
    Ok(Tensor { shape, data })
}

/// The dimensions, none of them negative, whose product fits.
fn shape(dims: &[i64], name: &str) -> Result<Vec<usize>, Error> {
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

/// The bytes of a tensor stored as bytes, in the file or beside it.
fn raw(
    proto: &proto::Tensor,
    name: &str,
    dtype: DType,
    count: usize,
    external: &mut External,
) -> Result<Option<Bytes>, Error> {
    let listed = [
        proto.float_data.len(),
        proto.int32_data.len(),
        proto.string_data.len(),
        proto.int64_data.len(),
        proto.double_data.len(),
        proto.uint64_data.len(),
    ];
    let raw = proto.raw_data.clone().filter(|bytes| !bytes.is_empty());
    let stored = listed.into_iter().filter(|&len| len > 0).count() + usize::from(raw.is_some());
    let is_external = proto.data_location == 1;
    if stored + usize::from(is_external) > 1 {
        return Err(wrong_length(
            name,
            "its data in one field",
            "data in several",
        ));
    }
    if !is_external {
        return Ok(raw);
    }
    let bytes = dtype.size().unwrap_or(0).saturating_mul(count);
    external.read(name, &proto.external_data, bytes).map(Some)
}

/// Little-endian bytes.
fn from_raw(bytes: &[u8], name: &str, dtype: DType, count: usize) -> Result<Data, Error> {
    if let Some(size) = dtype.size()
        && count.checked_mul(size) != Some(bytes.len())
    {
        let expected = format!("{count} elements of {size} bytes");
        return Err(wrong_length(
            name,
            &expected,
            &format!("{} bytes", bytes.len()),
        ));
    }
    Ok(match dtype {
        DType::F32 => Data::F32(little_endian(bytes, f32::from_le_bytes)),
        DType::F64 => Data::F64(little_endian(bytes, f64::from_le_bytes)),
        DType::F16 => Data::F16(little_endian(bytes, u16::from_le_bytes)),
        DType::BF16 => Data::BF16(little_endian(bytes, u16::from_le_bytes)),
        DType::I64 => Data::I64(little_endian(bytes, i64::from_le_bytes)),
        DType::I32 => Data::I32(little_endian(bytes, i32::from_le_bytes)),
        DType::I16 => Data::I16(little_endian(bytes, i16::from_le_bytes)),
        DType::I8 => Data::I8(little_endian(bytes, i8::from_le_bytes)),
        DType::U64 => Data::U64(little_endian(bytes, u64::from_le_bytes)),
        DType::U32 => Data::U32(little_endian(bytes, u32::from_le_bytes)),
        DType::U16 => Data::U16(little_endian(bytes, u16::from_le_bytes)),
        DType::U8 => Data::U8(bytes.into()),
        DType::Bool => Data::Bool(convert(bytes, name, dtype, |&byte| to_bool(byte.into()))?),
        DType::String => return Err(wrong_length(name, "strings in string_data", "raw bytes")),
    })
}

/// The typed lists of `TensorProto`; which one holds a type is laid down there.
fn from_fields(proto: proto::Tensor, name: &str, dtype: DType) -> Result<Data, Error> {
    let ints = &proto.int32_data;
    let half = |&x: &i32| u16::try_from(x).ok();
    Ok(match dtype {
        DType::F32 => Data::F32(proto.float_data.into_boxed_slice().into()),
        DType::F64 => Data::F64(proto.double_data.into_boxed_slice().into()),
        DType::I64 => Data::I64(proto.int64_data.into_boxed_slice().into()),
        DType::U64 => Data::U64(proto.uint64_data.into_boxed_slice().into()),
        DType::I32 => Data::I32(proto.int32_data.into_boxed_slice().into()),
        DType::U32 => Data::U32(convert(&proto.uint64_data, name, dtype, |&x| {
            x.try_into().ok()
        })?),
        DType::F16 => Data::F16(convert(ints, name, dtype, half)?),
        DType::BF16 => Data::BF16(convert(ints, name, dtype, half)?),
        DType::I16 => Data::I16(convert(ints, name, dtype, |&x| x.try_into().ok())?),
        DType::I8 => Data::I8(convert(ints, name, dtype, |&x| x.try_into().ok())?),
        DType::U16 => Data::U16(convert(ints, name, dtype, half)?),
        DType::U8 => Data::U8(convert(ints, name, dtype, |&x| x.try_into().ok())?),
        DType::Bool => Data::Bool(convert(ints, name, dtype, |&x| to_bool(x))?),
        DType::String => Data::String(convert(&proto.string_data, name, dtype, |bytes| {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        })?),
    })
}

fn little_endian<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|chunk| read(*chunk))
        .collect()
}

/// Each stored element as the type it stands for.
fn convert<S, T>(
    stored: &[S],
    name: &str,
    dtype: DType,
    element: impl Fn(&S) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let bad = |index| Error::BadElement {
        tensor: name.into(),
        index,
        dtype,
    };
    let elements = stored.iter().enumerate();
    elements
        .map(|(index, stored)| element(stored).ok_or_else(|| bad(index)))
        .collect()
}

fn to_bool(stored: i32) -> Option<bool> {
    match stored {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Refuses NaN anywhere, and infinities unless every element is 0 or infinite: attention masks and open bounds of Clip.
pub(crate) fn check_finite(name: &str, data: &Data) -> Result<(), Error> {
    match data {
        Data::F32(v) => finite(name, v.iter().map(|&x| x.into())),
        Data::F64(v) => finite(name, v.iter().copied()),
        Data::F16(v) => finite(name, v.iter().map(|&bits| f16_to_f32(bits).into())),
        Data::BF16(v) => finite(name, v.iter().map(|&bits| bf16_to_f32(bits).into())),
        _ => Ok(()),
    }
}

fn finite(name: &str, elements: impl Iterator<Item = f64> + Clone) -> Result<(), Error> {
    let refuse = |kind, is_bad: fn(f64) -> bool| {
        let mut bad = elements
            .clone()
            .enumerate()
            .filter(|(_, x)| is_bad(*x))
            .map(|(index, _)| index);
        let Some(index) = bad.next() else {
            return Ok(());
        };
        Err(Error::NotFinite {
            tensor: name.into(),
            kind,
            count: 1 + bad.count(),
            index,
        })
    };
    if elements.clone().all(f64::is_finite) {
        return Ok(());
    }
    refuse("NaN", f64::is_nan)?;
    if elements.clone().all(|x| x == 0.0 || x.is_infinite()) {
        return Ok(());
    }
    refuse("infinite", f64::is_infinite)
}

fn wrong_length(name: &str, expected: &str, found: &str) -> Error {
    Error::DataLength {
        tensor: name.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(proto: proto::Tensor) -> Result<Tensor, Error> {
        super::tensor(proto, "w", &mut External::new(None))
    }

    fn tensor(dtype: DType, dims: &[i64]) -> proto::Tensor {
        proto::Tensor {
            data_type: dtype.code(),
            dims: dims.into(),
            ..Default::default()
        }
    }

    fn raw(dtype: DType, dims: &[i64], bytes: &[u8]) -> proto::Tensor {
        proto::Tensor {
            raw_data: Some(Bytes::copy_from_slice(bytes)),
            ..tensor(dtype, dims)
        }
    }

    fn floats(values: &[f32]) -> proto::Tensor {
        proto::Tensor {
            float_data: values.into(),
            ..tensor(DType::F32, &[values.len().try_into().unwrap()])
        }
    }

    #[test]
    fn raw_bytes_are_little_endian() {
        let cases = [
            (DType::F32, &[0, 0, 0x80, 0x3f][..], Data::F32(vec![1.0])),
            (
                DType::F64,
                &[0, 0, 0, 0, 0, 0, 0xf0, 0xbf],
                Data::F64(vec![-1.0]),
            ),
            (DType::F16, &[0, 0x3c], Data::F16(vec![0x3c00])),
            (DType::BF16, &[0x80, 0x3f], Data::BF16(vec![0x3f80])),
            (
                DType::I64,
                &[0xfe, 255, 255, 255, 255, 255, 255, 255],
                Data::I64(vec![-2]),
            ),
            (DType::I32, &[1, 2, 0, 0], Data::I32(vec![513])),
            (DType::I16, &[0xff, 0xff], Data::I16(vec![-1])),
            (DType::I8, &[0x80], Data::I8(vec![-128])),
            (
                DType::U64,
                &[1, 0, 0, 0, 0, 0, 0, 0x80],
                Data::U64(vec![(1 << 63) + 1]),
            ),
            (DType::U32, &[1, 0, 0, 0x80], Data::U32(vec![0x8000_0001])),
            (DType::U16, &[1, 0x80], Data::U16(vec![0x8001])),
            (DType::U8, &[0x80], Data::U8(vec![128])),
            (DType::Bool, &[1], Data::Bool(vec![true])),
        ];
        for (dtype, bytes, data) in cases {
            let found = decoded(raw(dtype, &[1, 1], bytes)).unwrap();
            assert_eq!(
                found,
                Tensor {
                    shape: vec![1, 1],
                    data
                }
            );
            assert_eq!((found.dtype(), found.len()), (dtype, 1));
            let short = decoded(raw(dtype, &[2, 1], bytes)).unwrap_err();
            assert!(
                matches!(short, Error::DataLength { .. }),
                "{dtype}: {short}"
            );
        }
    }

    #[test]
    fn typed_lists() {
        let ints = |dtype, values: &[i32]| proto::Tensor {
            int32_data: values.into(),
            ..tensor(dtype, &[values.len().try_into().unwrap()])
        };
        let cases = [
            (floats(&[1.5, -2.0]), Data::F32(vec![1.5, -2.0])),
            (
                proto::Tensor {
                    double_data: vec![0.5],
                    ..tensor(DType::F64, &[])
                },
                Data::F64(vec![0.5]),
            ),
            (
                proto::Tensor {
                    int64_data: vec![-3],
                    ..tensor(DType::I64, &[1])
                },
                Data::I64(vec![-3]),
            ),
            (
                proto::Tensor {
                    uint64_data: vec![3],
                    ..tensor(DType::U64, &[1])
                },
                Data::U64(vec![3]),
            ),
            (
                proto::Tensor {
                    uint64_data: vec![3],
                    ..tensor(DType::U32, &[1])
                },
                Data::U32(vec![3]),
            ),
            (ints(DType::I32, &[-7]), Data::I32(vec![-7])),
            (ints(DType::I16, &[-7]), Data::I16(vec![-7])),
            (ints(DType::I8, &[-7]), Data::I8(vec![-7])),
            (ints(DType::U16, &[65535]), Data::U16(vec![65535])),
            (ints(DType::U8, &[255]), Data::U8(vec![255])),
            (ints(DType::Bool, &[0, 1]), Data::Bool(vec![false, true])),
            (ints(DType::F16, &[0x3c00]), Data::F16(vec![0x3c00])),
            (ints(DType::BF16, &[0x3f80]), Data::BF16(vec![0x3f80])),
            (
                proto::Tensor {
                    string_data: vec!["é".into()],
                    ..tensor(DType::String, &[1])
                },
                Data::String(vec!["é".into()]),
            ),
            (tensor(DType::F32, &[0, 3]), Data::F32(vec![])),
        ];
        for (proto, data) in cases {
            assert_eq!(decoded(proto).unwrap().data, data);
        }
    }

    #[test]
    fn bad_tensors_are_refused() {
        let ints = |dtype, value| proto::Tensor {
            int32_data: vec![value],
            ..tensor(dtype, &[1])
        };
        let mixed = |values: &[f64]| proto::Tensor {
            double_data: values.into(),
            ..tensor(DType::F64, &[values.len().try_into().unwrap()])
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
                "int4",
                proto::Tensor {
                    data_type: 22,
                    ..Default::default()
                },
                "int4",
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
                "NaN",
                floats(&[1.0, f32::NAN, f32::NAN]),
                "\"w\" are not finite: 2 NaN, first at element 1",
            ),
            (
                "infinity",
                mixed(&[1.0, 2.0, f64::NEG_INFINITY]),
                "1 infinite, first at element 2",
            ),
            ("float16 NaN", raw(DType::F16, &[1], &[1, 0x7c]), "1 NaN"),
            (
                "bfloat16 infinity",
                raw(DType::BF16, &[2], &[0x80, 0x3f, 0x80, 0x7f]),
                "1 infinite",
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
    fn masks_and_open_bounds_may_be_infinite() {
        for values in [&[f32::INFINITY][..], &[0.0, f32::NEG_INFINITY, -0.0]] {
            assert_eq!(
                decoded(floats(values)).unwrap().data,
                Data::F32(values.into())
            );
        }
    }
}
