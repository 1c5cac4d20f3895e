//! Elements of a tensor, as each type stores them.

use crate::decode::wrong_length;
use crate::dtype::DType;
use crate::error::Error;
use crate::nibbles;
use crate::proto;
use crate::tensor::Data;

/// Little-endian bytes.
pub(crate) fn from_raw(
    bytes: &[u8],
    name: &str,
    dtype: DType,
    count: usize,
) -> Result<Data, Error> {
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
        DType::I4 | DType::U4 => nibbles::from_raw(bytes, name, dtype, count)?,
    })
}

/// The typed lists of `TensorProto`; which one holds a type is laid down there.
pub(crate) fn from_fields(
    proto: proto::Tensor,
    name: &str,
    dtype: DType,
    count: usize,
) -> Result<Data, Error> {
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
        DType::I4 | DType::U4 => nibbles::from_ints(ints, name, dtype, count)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{decoded, floats, raw, tensor};
    use crate::tensor::Tensor;

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
}
