//! Col2Im: blocks \[n, c * block, windows\] are added up where they overlap in an image \[n, c,
//! ...\] of one to three spatial axes. It is the transpose of a convolution that cuts blocks out.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::place::{Axis, Window, outputs};
use super::spread::{Spread, spread};
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Col2Im(Window);

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Col2Im(Window::parse(node)?)))
}

impl Col2Im {
    /// The output's shape, and the window over it.
    fn place(
        &self,
        columns: &[usize],
        image: &[i64],
        block: &[i64],
    ) -> Result<(Vec<usize>, Vec<Axis>), Fault> {
        let sizes = |values: &[i64]| {
            let sizes = values.iter().map(|&value| usize::try_from(value).ok());
            let sizes: Option<Vec<usize>> = sizes.collect();
            sizes.ok_or_else(|| Fault::shape(format!("{values:?} are no sizes")))
        };
        let (image, block) = (sizes(image)?, sizes(block)?);
        let &[n, rows, windows] = columns else {
            return Err(Fault::shape(
                "three axes of batch, blocks, windows are needed",
            ));
        };
        let places = count(&block)?;
        let channels = rows.checked_div(places).unwrap_or(0);
        let shape = [&[n, channels], image.as_slice()].concat();
        let axes = self.0.place(&block, &shape)?;
        if channels * places != rows || count(&outputs(&axes))? != windows {
            return Err(Fault::shape(format!(
                "{columns:?} are not the blocks {block:?} of an image of {image:?}"
            )));
        }
        if places > 1 << 12 {
            return Err(Fault::Unsupported(format!("a block of {block:?}")));
        }
        Ok((shape, axes))
    }
}

impl<B: Backend> Operator<B> for Col2Im {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (shape, _) = self.place(inputs.float(0)?, inputs.ints(1)?, inputs.ints(2)?)?;
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let columns = inputs.shape(0)?;
        let (shape, axes) = self.place(&columns, inputs.ints(1)?, inputs.ints(2)?)?;
        let kernel: Vec<usize> = axes.iter().map(|axis| axis.kernel).collect();
        let places = count(&kernel)?;
        // Row i of a block goes to its place i.
        let mut weights = vec![0.0; places * places];
        weights
            .iter_mut()
            .step_by(places + 1)
            .for_each(|w| *w = 1.0);
        let weights = inputs.upload(&[&[places, 1], kernel.as_slice()].concat(), weights);
        let planes = count(shape.get(..2).unwrap_or_default())?;
        let blocks = [&[planes, places], outputs(&axes).as_slice()].concat();
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(blocks));
        let axes: Vec<Spread> = axes.iter().map(spread_of).collect();
        let image = spread::<B>(x, weights, &axes, 1);
        Ok(vec![B::float_reshape(image, Shape::from(shape))])
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

fn spread_of(axis: &Axis) -> Spread {
    Spread {
        stride: axis.stride,
        dilation: axis.dilation,
        full: (axis.output - 1) * axis.stride + axis.extent(),
        begin: axis.begin,
        output: axis.size,
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    fn case(columns: &[usize], image: &[i64], block: &[i64]) -> Case {
        Case::new("Col2Im")
            .opset(18)
            .input(counting(columns))
            .constant(ints(&[image.len()], image))
            .constant(ints(&[block.len()], block))
    }

    #[test]
    fn values() {
        case(&[1, 2, 2], &[3], &[2]).gives(&[1, 1, 3], &[0.0, 3.0, 3.0]);
        // Two channels, blocks side by side, and a last column that no block reaches.
        let apart = || case(&[1, 4, 2], &[1, 5], &[1, 2]).ints("strides", &[1, 2]);
        apart().gives(
            &[1, 2, 1, 5],
            &[0.0, 2.0, 1.0, 3.0, 0.0, 4.0, 6.0, 5.0, 7.0, 0.0],
        );
        apart().gradient_agrees();
        case(&[1, 2, 4], &[3], &[2])
            .ints("pads", &[1, 1])
            .gives(&[1, 1, 3], &[1.0 + 4.0, 2.0 + 5.0, 3.0 + 6.0]);
        case(&[2, 8, 1], &[2, 2, 2], &[2, 2, 2]).gradient_agrees();
    }

    #[test]
    fn faults() {
        case(&[1, 3, 2], &[3], &[2]).fails("are not the blocks");
        case(&[1, 2, 3], &[3], &[2]).fails("are not the blocks");
        case(&[1, 2, 2], &[-3], &[2]).fails("no sizes");
        case(&[1, 2, 2], &[3], &[0]).fails("empty");
        case(&[2, 2], &[3], &[2]).fails("three axes");
    }
}
