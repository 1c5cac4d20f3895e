//! Pooling along one to three spatial axes by passes over two: a window's maximum, sum or average
//! is that of its rows' maxima, sums or averages.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};

use super::place::Axis;

/// Applies `pool`, which pools an input of four axes along its last two, along all of `axes`. An
/// input of batch, channels and two spatial axes goes to it as it is.
pub(super) fn passes<B: Backend>(
    x: FloatTensor<B>,
    axes: &[Axis],
    pool: impl Fn(FloatTensor<B>, &[Axis; 2]) -> FloatTensor<B>,
) -> FloatTensor<B> {
    let reshape = |x, shape: [usize; 4]| B::float_reshape(x, Shape::from(shape.to_vec()));
    let shape = x.shape().to_vec();
    match (axes, shape.as_slice()) {
        (&[row], &[n, c, size]) => {
            let out = pool(reshape(x, [n, c, size, 1]), &[row, Axis::ONE]);
            B::float_reshape(out, Shape::from(vec![n, c, row.output]))
        }
        (&[row, column], _) => pool(x, &[row, column]),
        (&[depth, row, column], &[n, c, size, height, width]) => {
            let planes = reshape(x, [n, c * size, height, width]);
            let planes = pool(planes, &[row, column]);
            let lines = reshape(planes, [n, c, size, row.output * column.output]);
            let line = Axis {
                size: row.output * column.output,
                output: row.output * column.output,
                ..Axis::ONE
            };
            let out = pool(lines, &[depth, line]);
            let shape = vec![n, c, depth.output, row.output, column.output];
            B::float_reshape(out, Shape::from(shape))
        }
        _ => x,
    }
}
