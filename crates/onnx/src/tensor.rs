//! Tensors as they stand in memory.

use std::borrow::Cow;

use crate::dtype::DType;

/// A constant in row-major order. Parsed tensors hold exactly as many elements as the shape says.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// Elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Bit patterns of IEEE 754 half precision; [`Tensor::to_f32`] widens them.
    F16(Vec<u16>),
    /// Bit patterns of bfloat16; [`Tensor::to_f32`] widens them.
    BF16(Vec<u16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    I16(Vec<i16>),
    I8(Vec<i8>),
    U64(Vec<u64>),
    U32(Vec<u32>),
    U16(Vec<u16>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
    String(Vec<String>),
    /// Four bits each, -8 to 7, here a byte each.
    I4(Vec<i8>),
    /// Four bits each, 0 to 15, here a byte each.
    U4(Vec<u8>),
}

impl Tensor {
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of a float32, float16 or bfloat16 tensor, exactly; `None` for other types.
    pub fn to_f32(&self) -> Option<Cow<'_, [f32]>> {
        match &self.data {
            Data::F32(v) => Some(Cow::Borrowed(v)),
            Data::F16(v) => Some(v.iter().map(|&bits| f16_to_f32(bits)).collect()),
            Data::BF16(v) => Some(v.iter().map(|&bits| bf16_to_f32(bits)).collect()),
            _ => None,
        }
    }

    /// The elements of an integer tensor, exactly; `None` for other types and where one does not fit.
    pub fn to_i64(&self) -> Option<Cow<'_, [i64]>> {
        match &self.data {
            Data::I64(v) => Some(Cow::Borrowed(v)),
            Data::I32(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::I16(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::I8(v) | Data::I4(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::U64(v) => v.iter().map(|&x| x.try_into().ok()).collect(),
            Data::U32(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::U16(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::U8(v) | Data::U4(v) => Some(v.iter().map(|&x| x.into()).collect()),
            _ => None,
        }
    }
}

impl Data {
    pub fn dtype(&self) -> DType {
        match self {
            Data::F32(_) => DType::F32,
            Data::F64(_) => DType::F64,
            Data::F16(_) => DType::F16,
            Data::BF16(_) => DType::BF16,
            Data::I64(_) => DType::I64,
            Data::I32(_) => DType::I32,
            Data::I16(_) => DType::I16,
            Data::I8(_) => DType::I8,
            Data::U64(_) => DType::U64,
            Data::U32(_) => DType::U32,
            Data::U16(_) => DType::U16,
            Data::U8(_) => DType::U8,
            Data::Bool(_) => DType::Bool,
            Data::String(_) => DType::String,
            Data::I4(_) => DType::I4,
            Data::U4(_) => DType::U4,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(v) => v.len(),
            Data::F64(v) => v.len(),
            Data::F16(v) | Data::BF16(v) | Data::U16(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::I16(v) => v.len(),
            Data::I8(v) | Data::I4(v) => v.len(),
            Data::U64(v) => v.len(),
            Data::U32(v) => v.len(),
            Data::U8(v) | Data::U4(v) => v.len(),
            Data::Bool(v) => v.len(),
            Data::String(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let (sign, exponent, mantissa) = ((bits & 0x8000) << 16, bits >> 10 & 0x1f, bits & 0x3ff);
    match exponent {
        0 => f32::from_bits(sign | (mantissa as f32 / 16_777_216.0).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

pub(crate) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_is_exact() {
        let f16 = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in f16 {
            assert_eq!(f16_to_f32(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(f16_to_f32(0x7c01).is_nan());
        let tensor = Tensor {
            shape: vec![2],
            data: Data::BF16(vec![0x3f80, 0xc049]),
        };
        assert_eq!(tensor.to_f32().unwrap(), vec![1.0, -3.140_625]);
        let large = Tensor {
            shape: vec![1],
            data: Data::U64(vec![u64::MAX]),
        };
        assert_eq!((large.to_i64(), large.to_f32()), (None, None));
        let small = Tensor {
            shape: vec![1],
            data: Data::I8(vec![-1]),
        };
        assert_eq!(small.to_i64().unwrap(), vec![-1]);
    }
}
