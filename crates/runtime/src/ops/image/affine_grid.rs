//! AffineGrid: theta \[n, 2, 3\] or \[n, 3, 4\] applied to the normalised coordinates of every place of
//! an image of `size` \[n, c, ...\]. Jaderberg et al. 2015.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct AffineGrid {
    align_corners: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(AffineGrid {
        align_corners: node.attributes.int_or("align_corners", 0)? != 0,
    }))
}

/// Batch and spatial sizes.
fn sizes(size: &[i64]) -> Result<(usize, Vec<usize>), Fault> {
    let sizes = size.iter().map(|&size| usize::try_from(size).ok());
    match sizes.collect::<Option<Vec<usize>>>().as_deref() {
        Some([n, _, spatial @ ..]) if matches!(spatial.len(), 2 | 3) => Ok((*n, spatial.to_vec())),
        _ => Err(Fault::shape(format!(
            "size {size:?} is not that of an image of two or three spatial axes"
        ))),
    }
}

impl AffineGrid {
    /// For every place its coordinates, the last axis first, and 1.
    fn places(&self, spatial: &[usize]) -> Result<Vec<f32>, Fault> {
        let coordinate = |size: usize, i: usize| match self.align_corners {
            true if size == 1 => 0.0,
            true => (2.0 * i as f64 / (size as f64 - 1.0) - 1.0) as f32,
            false => ((2.0 * i as f64 + 1.0) / size as f64 - 1.0) as f32,
        };
        let place = |i: usize| {
            let mut rest = i;
            let mut row: Vec<f32> = Vec::with_capacity(spatial.len() + 1);
            for &size in spatial.iter().rev() {
                row.push(coordinate(size, rest % size));
                rest /= size;
            }
            row.push(1.0);
            row
        };
        Ok((0..count(spatial)?).flat_map(place).collect())
    }
}

impl<B: Backend> Operator<B> for AffineGrid {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let theta = inputs.float(0)?;
        let (n, spatial) = sizes(inputs.ints(1)?)?;
        let rank = spatial.len();
        if theta != [n, rank, rank + 1] {
            return Err(Fault::shape(format!(
                "theta {theta:?} is not [{n}, {rank}, {}]",
                rank + 1
            )));
        }
        let shape = [&[n], spatial.as_slice(), &[rank]].concat();
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (_, spatial) = sizes(inputs.ints(1)?)?;
        let columns = spatial.len() + 1;
        let places = self.places(&spatial)?;
        let places = inputs.upload(&[1, places.len() / columns, columns], places);
        let theta = B::float_swap_dims(inputs.tensor(0)?, 1, 2);
        let grid = B::float_matmul(places, theta);
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(grid, Shape::from(out.to_vec()))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    #[test]
    fn values() {
        let case = |align: i64| {
            Case::new("AffineGrid")
                .opset(20)
                .int("align_corners", align)
                .input(floats(&[1, 2, 3], &[1.0, 0.0, 0.5, 0.0, 2.0, 0.0]))
                .constant(ints(&[4], &[1, 1, 1, 2]))
        };
        case(0).gives(&[1, 1, 2, 2], &[0.0, 0.0, 1.0, 0.0]);
        case(1).gives(&[1, 1, 2, 2], &[-0.5, 0.0, 1.5, 0.0]);
        case(0).gradient_agrees();
        let volume = |n: i64| {
            Case::new("AffineGrid")
                .input(counting(&[2, 3, 4]))
                .constant(ints(&[5], &[n, 1, 2, 2, 3]))
        };
        volume(2).gradient_agrees();
        volume(1).fails("theta [2, 3, 4] is not [1, 3, 4]");
        Case::new("AffineGrid")
            .input(counting(&[1, 2, 3]))
            .constant(ints(&[3], &[1, 1, 2]))
            .fails("size [1, 1, 2]");
    }
}
