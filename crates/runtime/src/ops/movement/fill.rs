//! What ConstantOfShape, EyeLike and Range share: sizes that are given as integers, and elements
//! that are made.

use scoville_onnx::DType;

use crate::Fault;
use crate::ops::count;
use crate::value::{Elements, Fact};

/// Most elements that are made before a run.
const MAX_MADE: usize = 1 << 16;

/// Integers that are sizes.
pub(crate) fn sizes(values: &[i64]) -> Result<Vec<usize>, Fault> {
    let size = |&value: &i64| {
        usize::try_from(value).map_err(|_| Fault::shape(format!("size {value} is no size")))
    };
    values.iter().map(size).collect()
}

/// Integers that `element` makes: known if they are few.
pub(super) fn ints(
    dtype: DType,
    shape: Vec<usize>,
    element: impl Fn(usize) -> i64,
) -> Result<Fact, Fault> {
    let len = count(&shape)?;
    if len > MAX_MADE {
        return Ok(Fact::new(dtype, shape));
    }
    let elements = Elements::Int((0..len).map(element).collect());
    Ok(Fact::known(dtype, shape, elements))
}

/// The only element of a list of one or a scalar.
pub(crate) fn one<T: Copy>(values: &[T]) -> Result<T, Fault> {
    match values {
        [value] => Ok(*value),
        _ => Err(Fault::shape(format!(
            "{} elements where one is needed",
            values.len()
        ))),
    }
}

/// The type with ONNX's `code`.
pub(crate) fn dtype(code: i64) -> Result<DType, Fault> {
    Ok(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        code => return Err(Fault::Unsupported(format!("element type {code}"))),
    })
}
