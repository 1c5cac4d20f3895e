//! Scores that are linear in the features: what LinearClassifier and LinearRegressor share.

use burn_backend::{Backend, Shape, tensor::FloatTensor};

use super::matrix;
use crate::Fault;
use crate::value::{Facts, Values};

/// `X W' + b`: W is \[targets, features\].
pub(super) struct Linear {
    pub coefficients: Vec<f32>,
    /// One a target.
    pub intercepts: Vec<f32>,
}

impl Linear {
    /// The rows of the input, whose columns fit.
    pub fn rows(&self, inputs: &Facts) -> Result<usize, Fault> {
        let [rows, columns] = matrix::rows_and_columns(inputs)?;
        let expected = self.intercepts.len().checked_mul(columns);
        match columns > 0 && expected == Some(self.coefficients.len()) {
            true => Ok(rows),
            false => Err(Fault::shape(format!(
                "{} coefficients are not {} targets of {columns} features",
                self.coefficients.len(),
                self.intercepts.len()
            ))),
        }
    }

    /// The scores of the input, \[rows, targets\].
    pub fn scores<B: Backend>(&self, inputs: &mut Values<B>) -> Result<FloatTensor<B>, Fault> {
        let matrix = matrix::of(&inputs.shape(0)?)?;
        let x = inputs.tensor(0)?;
        Ok(self.of(inputs, x, matrix))
    }

    /// The scores of `x`, which is a matrix of this shape.
    pub fn of<B: Backend>(
        &self,
        inputs: &Values<B>,
        x: FloatTensor<B>,
        [rows, columns]: [usize; 2],
    ) -> FloatTensor<B> {
        let targets = self.intercepts.len();
        let bias = inputs.upload(&[1, targets], self.intercepts.clone());
        let weights = inputs.upload(&[targets, columns], self.coefficients.clone());
        let x = B::float_reshape(x, Shape::from([rows, columns]));
        let product = B::float_matmul(x, B::float_transpose(weights));
        B::float_add(product, bias)
    }
}
