//! DeformConv in two spatial axes: a convolution whose every place is moved by offsets that a run
//! computes. Dai et al. 2017; with a mask, Zhu et al. 2018.

use burn_backend::ops::{DeformConvOptions, PadMode};
use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::conv::Conv;
use super::place::{Axis, each};
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct DeformConv {
    conv: Conv,
    group: usize,
    offset_group: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let offset_group = node.attributes.int_or("offset_group", 1)?;
    let positive = usize::try_from(offset_group).ok().filter(|&g| g > 0);
    Ok(Box::new(DeformConv {
        conv: Conv::parse(node)?,
        group: super::conv::group(node)?,
        offset_group: positive
            .ok_or_else(|| Fault::Unsupported(format!("offset_group {offset_group}")))?,
    }))
}

impl<B: Backend> Operator<B> for DeformConv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, weights) = (inputs.float(0)?, inputs.float(1)?);
        let bias = inputs.optional_float(3)?;
        let shape = self.conv.shape(x, weights, bias)?;
        let (&[n, channels, _, _], &[_, _, height, width]) = (x, weights) else {
            return Err(Fault::Unsupported(
                "a deformable convolution in other than two spatial axes".into(),
            ));
        };
        if channels % self.offset_group != 0 {
            return Err(Fault::shape(format!(
                "{channels} channels do not fit {} offset groups",
                self.offset_group
            )));
        }
        let places = height
            .checked_mul(width)
            .and_then(|places| places.checked_mul(self.offset_group));
        let wanted = |per_place: usize| {
            let rows = places.and_then(|places| places.checked_mul(per_place))?;
            let out = shape.get(2..)?;
            Some([&[n, rows], out].concat())
        };
        if Some(inputs.float(2)?.to_vec()) != wanted(2) {
            return Err(Fault::shape("there is not one offset for each place"));
        }
        if let Some(mask) = inputs.optional_float(4)?
            && Some(mask.to_vec()) != wanted(1)
        {
            return Err(Fault::shape("there is not one mask for each place"));
        }
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.conv.place(&inputs.shape(0)?, &inputs.shape(1)?)?;
        let (x, weights, offset) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let (bias, mask) = (inputs.optional_tensor(3)?, inputs.optional_tensor(4)?);
        let (x, padding) = match axes.iter().all(|axis| axis.begin == axis.end) {
            true => (x, each(&axes, |axis| axis.begin)),
            false => {
                let [rows, columns] = each(&axes, Axis::padding);
                let padding = [(0, 0), (0, 0), rows, columns];
                (B::float_pad(x, &padding, PadMode::Constant(0.0)), [0, 0])
            }
        };
        let options = DeformConvOptions::new(
            each(&axes, |axis| axis.stride),
            padding,
            each(&axes, |axis| axis.dilation),
            self.group,
            self.offset_group,
        );
        Ok(vec![B::deform_conv2d(
            x, offset, weights, mask, bias, options,
        )])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0, 2, 4], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    fn plain() -> Case {
        Case::new("DeformConv")
            .opset(19)
            .input(floats(
                &[1, 1, 3, 3],
                &[1.0, -2.0, 3.0, 5.0, 4.0, -1.0, 2.0, 7.0, 0.5],
            ))
            .constant(floats(&[1, 1, 1, 2], &[1.0, 10.0]))
    }

    /// Offsets in rows and columns of both places of one window in each of the places of 3 x 2.
    fn offsets() -> crate::ops::testing::Operand {
        let values: Vec<f32> = (0..24).map(|i| (i % 7) as f32 * 0.23 - 0.6).collect();
        floats(&[1, 4, 3, 2], &values)
    }

    #[test]
    fn values() {
        plain()
            .constant(floats(&[1, 4, 3, 2], &[0.0; 24]))
            .gives(&[1, 1, 3, 2], &[-19.0, 28.0, 45.0, -6.0, 72.0, 12.0]);
        let mut right = [0.0; 24];
        // The second place of every window, half a column to the right.
        right.iter_mut().skip(18).for_each(|offset| *offset = 0.5);
        plain()
            .constant(floats(&[1, 4, 3, 2], &right))
            .gives(&[1, 1, 3, 2], &[6.0, 13.0, 20.0, -1.0, 39.5, 9.5]);
    }

    #[test]
    fn gradients() {
        plain().input(offsets()).gradient_agrees();
        let masked = plain()
            .input(offsets())
            .input(floats(&[1], &[0.5]))
            .input(floats(&[1, 2, 3, 2], &[0.5; 12]));
        masked.gradient_agrees();
        let padded = plain().ints("pads", &[0, 1, 0, 0]);
        let values: Vec<f32> = (0..36).map(|i| (i % 5) as f32 * 0.21 - 0.4).collect();
        padded
            .input(floats(&[1, 4, 3, 3], &values))
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        plain()
            .constant(counting(&[1, 4, 3, 3]))
            .fails("one offset for each");
        plain()
            .constant(offsets())
            .absent()
            .constant(counting(&[1, 4, 3, 2]))
            .fails("one mask for each");
        plain()
            .int("offset_group", 2)
            .constant(offsets())
            .fails("do not fit 2 offset groups");
    }
}
