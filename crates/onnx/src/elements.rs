//! Elements of a tensor, as each type stores them.

use crate::decode::wrong_length;
use crate::dtype::DType;
use crate::error::Error;
use crate::nibbles;
use crate::proto;
use crate::tensor::Data;

/// Elements stored as little-endian bytes, which may come piece by piece.
pub(crate) struct Raw<'n> {
    name: &'n str,
    dtype: DType,
    count: usize,
    data: Data,
}

impl<'n> Raw<'n> {
    /// None yet of `count` elements.
    pub fn new(name: &'n str, dtype: DType, count: usize) -> Self {
        Self {
            name,
            dtype,
            count,
            data: empty(dtype),
        }
    }

    /// Bytes that all elements take.
    pub fn stored(&self) -> usize {
        match self.dtype {
            DType::I4 | DType::U4 => self.count.div_ceil(2),
            dtype => dtype.size().unwrap_or(0).saturating_mul(self.count),
        }
    }

    /// Makes room for what `bytes` more hold; whether there is any.
    pub fn reserve(&mut self, bytes: u64) -> bool {
        let Ok(bytes) = usize::try_from(bytes) else {
            return false;
        };
        let elements = match self.dtype {
            DType::I4 | DType::U4 => bytes.saturating_mul(2),
            dtype => bytes / dtype.size().unwrap_or(1),
        };
        let more = elements.min(self.count.saturating_sub(self.data.len()));
        let reserved = match &mut self.data {
            Data::F32(v) => v.try_reserve_exact(more),
            Data::F64(v) => v.try_reserve_exact(more),
            Data::F16(v) | Data::BF16(v) | Data::U16(v) => v.try_reserve_exact(more),
            Data::I64(v) => v.try_reserve_exact(more),
            Data::I32(v) => v.try_reserve_exact(more),
            Data::I16(v) => v.try_reserve_exact(more),
            Data::I8(v) | Data::I4(v) => v.try_reserve_exact(more),
            Data::U64(v) => v.try_reserve_exact(more),
            Data::U32(v) => v.try_reserve_exact(more),
            Data::U8(v) | Data::U4(v) => v.try_reserve_exact(more),
            Data::Bool(v) => v.try_reserve_exact(more),
            Data::String(v) => v.try_reserve_exact(more),
        };
        reserved.is_ok()
    }

    /// Appends what `bytes` hold, which are whole elements.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let left = self.count.saturating_sub(self.data.len());
        match &mut self.data {
            Data::F32(v) => little_endian(v, bytes, f32::from_le_bytes),
            Data::F64(v) => little_endian(v, bytes, f64::from_le_bytes),
            Data::F16(v) | Data::BF16(v) | Data::U16(v) => {
                little_endian(v, bytes, u16::from_le_bytes);
            }
            Data::I64(v) => little_endian(v, bytes, i64::from_le_bytes),
            Data::I32(v) => little_endian(v, bytes, i32::from_le_bytes),
            Data::I16(v) => little_endian(v, bytes, i16::from_le_bytes),
            Data::I8(v) => little_endian(v, bytes, i8::from_le_bytes),
            Data::U64(v) => little_endian(v, bytes, u64::from_le_bytes),
            Data::U32(v) => little_endian(v, bytes, u32::from_le_bytes),
            Data::U8(v) => v.extend_from_slice(bytes),
            Data::Bool(v) => {
                for &byte in bytes {
                    v.push(to_bool(byte.into()).ok_or_else(|| Error::BadElement {
                        tensor: self.name.into(),
                        index: v.len(),
                        dtype: self.dtype,
                    })?);
                }
            }
            Data::String(_) => {}
            Data::I4(v) => v.extend(nibbles::signed(bytes).take(left)),
            Data::U4(v) => v.extend(nibbles::halves(bytes).take(left)),
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Data, Error> {
        match self.data {
            Data::String(_) => Err(wrong_length(
                self.name,
                "strings in string_data",
                "raw bytes",
            )),
            data => Ok(data),
        }
    }
}

/// Little-endian bytes.
pub(crate) fn from_raw(
    bytes: &[u8],
    name: &str,
    dtype: DType,
    count: usize,
) -> Result<Data, Error> {
    let mut raw = Raw::new(name, dtype, count);
    let size = match dtype {
        DType::I4 | DType::U4 => "4 bits".into(),
        dtype => format!("{} bytes", dtype.size().unwrap_or(0)),
    };
    if dtype != DType::String && raw.stored() != bytes.len() {
        let expected = format!("{count} elements of {size}");
        return Err(wrong_length(
            name,
            &expected,
            &format!("{} bytes", bytes.len()),
        ));
    }
    raw.reserve(bytes.len() as u64);
    raw.extend(bytes)?;
    raw.finish()
}

fn empty(dtype: DType) -> Data {
    match dtype {
        DType::F32 => Data::F32(Vec::new()),
        DType::F64 => Data::F64(Vec::new()),
        DType::F16 => Data::F16(Vec::new()),
        DType::BF16 => Data::BF16(Vec::new()),
        DType::I64 => Data::I64(Vec::new()),
        DType::I32 => Data::I32(Vec::new()),
        DType::I16 => Data::I16(Vec::new()),
        DType::I8 => Data::I8(Vec::new()),
        DType::U64 => Data::U64(Vec::new()),
        DType::U32 => Data::U32(Vec::new()),
        DType::U16 => Data::U16(Vec::new()),
        DType::U8 => Data::U8(Vec::new()),
        DType::Bool => Data::Bool(Vec::new()),
        DType::String => Data::String(Vec::new()),
        DType::I4 => Data::I4(Vec::new()),
        DType::U4 => Data::U4(Vec::new()),
    }
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

fn little_endian<const N: usize, T>(values: &mut Vec<T>, bytes: &[u8], read: fn([u8; N]) -> T) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)));
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
    fn pieces_are_one_tensor() {
        let cases: [(DType, usize, &[&[u8]], Data); 4] = [
            (
                DType::I16,
                3,
                &[&[1, 0, 2, 0], &[3, 0]],
                Data::I16(vec![1, 2, 3]),
            ),
            (
                DType::Bool,
                3,
                &[&[1], &[0, 1]],
                Data::Bool(vec![true, false, true]),
            ),
            (DType::U4, 3, &[&[0x21], &[0x43]], Data::U4(vec![1, 2, 3])),
            (DType::I4, 2, &[&[0xf8]], Data::I4(vec![-8, -1])),
        ];
        for (dtype, count, pieces, data) in cases {
            let mut raw = Raw::new("w", dtype, count);
            assert_eq!(raw.stored(), pieces.concat().len());
            for piece in pieces {
                assert!(raw.reserve(raw.stored() as u64));
                raw.extend(piece).unwrap();
            }
            assert_eq!(raw.finish().unwrap(), data);
        }
        let mut raw = Raw::new("w", DType::Bool, 3);
        raw.extend(&[1, 1]).unwrap();
        let error = raw.extend(&[2]).unwrap_err().to_string();
        assert!(error.contains("element 2 of tensor"), "{error}");
        assert!(!Raw::new("w", DType::F64, 1 << 60).reserve(8 << 60));
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
