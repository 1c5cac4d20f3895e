//! EyeLike: ones on the diagonal `k` of a matrix of the input's shape, zeros elsewhere.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::fill::{dtype, ints};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, is_float};

struct EyeLike {
    dtype: Option<DType>,
    diagonal: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(EyeLike {
        dtype: node.attributes.int("dtype")?.map(dtype).transpose()?,
        diagonal: node.attributes.int_or("k", 0)?,
    }))
}

impl EyeLike {
    fn element(&self, index: usize, columns: usize) -> bool {
        let columns = columns.max(1);
        let (row, column) = ((index / columns) as i128, (index % columns) as i128);
        column - row == i128::from(self.diagonal)
    }
}

impl<B: Backend> Operator<B> for EyeLike {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let &[rows, columns] = x.shape() else {
            return Err(Fault::shape("the input is not a matrix"));
        };
        let dtype = self.dtype.unwrap_or(x.dtype);
        let shape = vec![rows, columns];
        if is_float(dtype) {
            return Ok(vec![Fact::new(dtype, shape)]);
        }
        let element = |i| self.element(i, columns).into();
        Ok(vec![ints(dtype, shape, element)?])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let columns = shape.last().copied().unwrap_or(1);
        let element = |i| f32::from(u8::from(self.element(i, columns)));
        let values = (0..count(shape)?).map(element).collect();
        Ok(vec![inputs.upload(shape, values)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = || Case::new("EyeLike").input(counting(&[2, 3]));
        case().gives(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        case()
            .int("k", -1)
            .int("dtype", 7)
            .gives_ints(&[2, 3], &[0, 0, 0, 1, 0, 0]);
        case().int("k", i64::MIN).gives(&[2, 3], &[0.0; 6]);
        Case::new("EyeLike")
            .input(ints(&[1, 2], &[5, 5]))
            .int("k", 1)
            .gives_ints(&[1, 2], &[0, 1]);
        case().int("dtype", 8).fails("element type 8");
        Case::new("EyeLike")
            .input(counting(&[2]))
            .fails("not a matrix");
    }
}
