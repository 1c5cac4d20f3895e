//! The input of the ONNX-ML operators: rows of features.

use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::value::{Fact, Facts};

/// The rows and columns of input 0, of numbers; a vector is one row.
pub(super) fn rows_and_columns(inputs: &Facts) -> Result<[usize; 2], Fault> {
    of(inputs.shape(0)?)
}

/// The rows and columns of a matrix, or of a vector as one row.
pub(super) fn of(shape: &[usize]) -> Result<[usize; 2], Fault> {
    match *shape {
        [columns] => Ok([1, columns]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err(Fault::shape(format!(
            "{shape:?} is neither a row nor a matrix"
        ))),
    }
}

/// Refuses columns that are not as many as `expected`.
pub(super) fn check_columns(columns: usize, expected: usize) -> Result<(), Fault> {
    match columns == expected {
        true => Ok(()),
        false => Err(Fault::shape(format!(
            "the input has {columns} features, the operator {expected}"
        ))),
    }
}

/// Where samples lie in the outputs of an operator that treats each row of a matrix by itself. A
/// vector is one row.
pub(super) fn samples(
    samples: &[Option<Samples>],
    inputs: &Facts,
    outputs: &[Fact],
) -> Option<Vec<Option<Samples>>> {
    let matrix = inputs.get(0)?.shape().len() == 2;
    along_first(samples, &[0], outputs.len()).filter(|_| matrix)
}
