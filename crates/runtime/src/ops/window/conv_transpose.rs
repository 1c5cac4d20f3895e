//! ConvTranspose in one to three spatial axes: `x` \[n, c, ...\], weights \[c, m / group,
//! kernel...\], bias \[m\]. Dumoulin and Visin 2016, chapter 4.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::conv::group;
use super::place::{Padding, Window, affordable, sizes, spatial};
use super::spread::{Spread, spread};
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct ConvTranspose {
    window: Window,
    group: usize,
    output_padding: Option<Vec<usize>>,
    output_shape: Option<Vec<usize>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(ConvTranspose {
        window: Window::parse(node)?,
        group: group(node)?,
        output_padding: sizes(node, "output_padding", 0)?,
        output_shape: sizes(node, "output_shape", 1)?,
    }))
}

impl ConvTranspose {
    fn place(&self, x: &[usize], weights: &[usize]) -> Result<Vec<Spread>, Fault> {
        let size = spatial(x)?;
        let kernel = weights.get(2..).unwrap_or_default();
        if kernel.len() != size.len() {
            return Err(Fault::shape(format!(
                "weights of {} axes do not fit an input of {}",
                weights.len(),
                x.len()
            )));
        }
        self.window.fits(kernel, size.len())?;
        for (name, sizes) in [
            ("output_padding", &self.output_padding),
            ("output_shape", &self.output_shape),
        ] {
            if let Some(sizes) = sizes.as_ref().filter(|sizes| sizes.len() != size.len()) {
                return Err(Fault::shape(format!(
                    "{name} {sizes:?} does not fit {} spatial axes",
                    size.len()
                )));
            }
        }
        let axes = (0..size.len()).map(|i| self.place_axis(i, size, kernel));
        axes.collect::<Option<Vec<_>>>().ok_or_else(|| {
            Fault::shape(format!(
                "the padding leaves nothing of an input of {size:?} under a kernel of {kernel:?}"
            ))
        })
    }

    fn place_axis(&self, i: usize, size: &[usize], kernel: &[usize]) -> Option<Spread> {
        let at = |sizes: &Option<Vec<usize>>| sizes.as_ref().and_then(|s| s.get(i).copied());
        let (rank, size, kernel) = (size.len(), *size.get(i)?, *kernel.get(i)?);
        let (stride, dilation) = self.window.steps(i);
        let extent = kernel
            .checked_sub(1)?
            .checked_mul(dilation)?
            .checked_add(1)?;
        let full = (size - 1).checked_mul(stride)?.checked_add(extent)?;
        let reach = full.checked_add(at(&self.output_padding).unwrap_or(0))?;
        let same = matches!(self.window.padding, Padding::SameUpper | Padding::SameLower);
        let asked = match at(&self.output_shape) {
            None if same => Some(size.checked_mul(stride)?),
            asked => asked,
        };
        let (begin, output) = match asked {
            None => {
                let (begin, end) = self.window.pads(i, rank);
                (begin, reach.checked_sub(begin.checked_add(end)?)?)
            }
            Some(output) => {
                let total = reach.saturating_sub(output);
                let begin = match self.window.padding {
                    Padding::SameUpper => total / 2,
                    _ => total.div_ceil(2),
                };
                (begin, output)
            }
        };
        (output > 0).then_some(Spread {
            stride,
            dilation,
            full,
            begin,
            output,
        })
    }
}

impl<B: Backend> Operator<B> for ConvTranspose {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, weights) = (inputs.float(0)?, inputs.float(1)?);
        let axes = self.place(x, weights)?;
        let (&[n, channels, ..], &[depth, per_group, ..]) = (x, weights) else {
            return Err(Fault::shape("the weights have no channels"));
        };
        if depth != channels || channels % self.group != 0 || per_group == 0 {
            return Err(Fault::shape(format!(
                "weights for {depth} channels in {} groups do not fit {channels} channels",
                self.group
            )));
        }
        let filters = per_group
            .checked_mul(self.group)
            .ok_or_else(|| Fault::shape("the filters overflow"))?;
        if inputs
            .optional_float(2)?
            .is_some_and(|bias| bias != [filters])
        {
            return Err(Fault::shape(format!(
                "the bias does not have {filters} elements"
            )));
        }
        let out = axes.iter().map(|axis| axis.output);
        let shape: Vec<usize> = [n, filters].into_iter().chain(out).collect();
        let full = axes
            .iter()
            .map(|axis| axis.full.checked_add(axis.begin)?.checked_add(axis.output));
        affordable(&[n, filters], full, &[x, &shape])?;
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.place(&inputs.shape(0)?, &inputs.shape(1)?)?;
        let (x, weights) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let out = spread::<B>(x, weights, &axes, self.group);
        let Some(bias) = inputs.optional_tensor(2)? else {
            return Ok(vec![out]);
        };
        let filters = inputs.shape(2)?.first().copied().unwrap_or(0);
        let mut shape = vec![1; axes.len() + 2];
        if let Some(size) = shape.get_mut(1) {
            *size = filters;
        }
        let bias = B::float_reshape(bias, Shape::from(shape));
        Ok(vec![B::float_add(out, bias)])
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
    use crate::ops::testing::{Case, counting, floats};

    fn plain() -> Case {
        Case::new("ConvTranspose")
            .input(floats(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .constant(floats(&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]))
    }

    #[test]
    fn values() {
        plain().gives(
            &[1, 1, 3, 3],
            &[
                1.0, 12.0, 20.0, 103.0, 1234.0, 2040.0, 300.0, 3400.0, 4000.0,
            ],
        );
        plain()
            .ints("pads", &[1, 0, 0, 1])
            .gives(&[1, 1, 2, 2], &[103.0, 1234.0, 300.0, 3400.0]);
        plain()
            .ints("pads", &[0, 1, 1, 0])
            .constant(floats(&[1], &[0.5]))
            .gives(&[1, 1, 2, 2], &[12.5, 20.5, 1234.5, 2040.5]);
        let line = || {
            Case::new("ConvTranspose")
                .input(floats(&[1, 1, 2], &[1.0, 2.0]))
                .constant(floats(&[1, 1, 2], &[1.0, 10.0]))
                .constant(floats(&[1], &[0.5]))
        };
        line()
            .ints("strides", &[2])
            .ints("output_padding", &[1])
            .gives(&[1, 1, 5], &[1.5, 10.5, 2.5, 20.5, 0.5]);
        line()
            .ints("dilations", &[2])
            .gives(&[1, 1, 4], &[1.5, 2.5, 10.5, 20.5]);
        line()
            .ints("output_shape", &[6])
            .gives(&[1, 1, 6], &[1.5, 12.5, 20.5, 0.5, 0.5, 0.5]);
        line()
            .ints("output_shape", &[2])
            .gives(&[1, 1, 2], &[12.5, 20.5]);
        line()
            .string("auto_pad", "SAME_UPPER")
            .gives(&[1, 1, 2], &[1.5, 12.5]);
        line()
            .string("auto_pad", "SAME_LOWER")
            .gives(&[1, 1, 2], &[12.5, 20.5]);
    }

    #[test]
    fn gradients() {
        plain().gradient_agrees();
        plain().ints("pads", &[1, 0, 0, 1]).gradient_agrees();
        plain().ints("output_shape", &[7, 2]).gradient_agrees();
        let grouped = |x: &[usize], weights: &[usize]| {
            Case::new("ConvTranspose")
                .int("group", 2)
                .input(counting(x))
                .input(counting(weights))
        };
        grouped(&[2, 4, 3], &[4, 1, 2])
            .ints("strides", &[3])
            .ints("output_padding", &[2])
            .gradient_agrees();
        grouped(&[1, 2, 2, 2, 2], &[2, 2, 2, 1, 2])
            .ints("strides", &[2, 1, 1])
            .ints("pads", &[1, 0, 0, 0, 0, 1])
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        plain().int("group", 2).fails("do not fit 1 channels");
        plain().ints("pads", &[2, 0, 1, 0]).fails("leaves nothing");
        plain().ints("output_shape", &[2]).fails("output_shape [2]");
        plain()
            .constant(floats(&[2], &[0.0; 2]))
            .fails("the bias does not have 1");
        plain()
            .ints("strides", &[1 << 40, 1])
            .ints("pads", &[1 << 39, 0, 1 << 39, 0])
            .fails("larger than the input");
    }
}
