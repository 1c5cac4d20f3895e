//! Element types of tensors.

use std::fmt;

/// Element type of a value, by NumPy's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    F32,
    F64,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    String,
    I4,
    U4,
}

/// Type, its code in `TensorProto.DataType`, bytes an element in `raw_data` (0: not whole bytes), name.
const TABLE: [(DType, i32, usize, &str); 16] = [
    (DType::F32, 1, 4, "float32"),
    (DType::F64, 11, 8, "float64"),
    (DType::F16, 10, 2, "float16"),
    (DType::BF16, 16, 2, "bfloat16"),
    (DType::I64, 7, 8, "int64"),
    (DType::I32, 6, 4, "int32"),
    (DType::I16, 5, 2, "int16"),
    (DType::I8, 3, 1, "int8"),
    (DType::U64, 13, 8, "uint64"),
    (DType::U32, 12, 4, "uint32"),
    (DType::U16, 4, 2, "uint16"),
    (DType::U8, 2, 1, "uint8"),
    (DType::Bool, 9, 1, "bool"),
    (DType::String, 8, 0, "string"),
    (DType::I4, 22, 0, "int4"),
    (DType::U4, 21, 0, "uint4"),
];

impl DType {
    /// The type with ONNX's `code`; otherwise the name of the type, for the error message.
    pub fn from_code(code: i32) -> Result<Self, String> {
        match TABLE.iter().find(|row| row.1 == code) {
            Some(row) => Ok(row.0),
            None => Err(unsupported_name(code)),
        }
    }

    /// ONNX's code, as in `TensorProto.DataType`.
    pub(crate) fn code(self) -> i32 {
        self.row().1
    }

    /// Bytes an element takes in `raw_data`; `None` for strings, which never lie there, and for four bits.
    pub(crate) fn size(self) -> Option<usize> {
        Some(self.row().2).filter(|&size| size > 0)
    }

    /// All names, for error messages.
    pub(crate) fn names() -> String {
        TABLE.map(|row| row.3).join(", ")
    }

    fn row(self) -> &'static (DType, i32, usize, &'static str) {
        // The table is in the order of the enum; a test holds it there.
        &TABLE[self as usize]
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().3)
    }
}

fn unsupported_name(code: i32) -> String {
    let name = match code {
        0 => "undefined",
        14 => "complex64",
        15 => "complex128",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        23 => "float4e2m1",
        24 => "float8e8m0",
        25 => "uint2",
        26 => "int2",
        _ => return format!("of unknown code {code}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_the_rest_is_named() {
        for (index, (dtype, code, _, name)) in TABLE.into_iter().enumerate() {
            assert_eq!(dtype as usize, index, "{name}: row out of order");
            assert_eq!(DType::from_code(code), Ok(dtype));
            assert_eq!((dtype.code(), dtype.to_string().as_str()), (code, name));
        }
        for (code, name) in [
            (0, "undefined"),
            (14, "complex64"),
            (17, "float8e4m3fn"),
            (26, "int2"),
        ] {
            assert_eq!(DType::from_code(code), Err(name.to_string()));
        }
        assert_eq!(DType::from_code(-1), Err("of unknown code -1".into()));
    }
}
