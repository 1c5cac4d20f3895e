//! STFT: the DFT of each frame of a signal `[batch, length, 1 or 2]`, weighted by a window; frames
//! start `frame_step` apart.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fourier::{Matrices, Transform};
use crate::Fault;
use crate::ops::movement::fill::one;
use crate::ops::movement::kept::Kept;
use crate::ops::movement::rows::upload;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Stft<B: Backend> {
    onesided: bool,
    matrices: Matrices<B>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Stft {
        onesided: node.attributes.int_or("onesided", 1)? != 0,
        matrices: Kept::new(),
    }))
}

struct Frames {
    transform: Transform,
    step: usize,
    frames: usize,
}

impl<B: Backend> Stft<B> {
    fn frames(
        &self,
        shape: &[usize],
        step: &[i64],
        window: Option<&[usize]>,
        length: Option<&[i64]>,
    ) -> Result<Frames, Fault> {
        let &[batch, samples, parts] = shape else {
            return Err(Fault::shape(
                "the signal is not of a batch, samples and parts",
            ));
        };
        let positive = |value: i64| {
            let size = usize::try_from(value).ok().filter(|&size| size > 0);
            size.ok_or_else(|| Fault::shape(format!("{value} samples make no frames")))
        };
        let step = positive(one(step)?)?;
        let length = match (length.map(one).transpose()?, window) {
            (Some(length), _) => positive(length)?,
            (None, Some(&[length])) if length > 0 => length,
            _ => return Err(Fault::shape("neither a window nor frame_length is given")),
        };
        if window.is_some_and(|window| window != [length]) {
            return Err(Fault::shape(format!(
                "the window is not a list of {length} weights"
            )));
        }
        if !(1..=2).contains(&parts) || self.onesided && parts == 2 || batch == 0 {
            return Err(Fault::shape(
                "the last axis does not hold the one or two parts of the signal's numbers \
                 (one-sided: one)",
            ));
        }
        let last = samples.checked_sub(length);
        let last = last.ok_or_else(|| Fault::shape("the signal is shorter than a frame"))?;
        let transform = Transform {
            length,
            inverse: false,
            onesided: self.onesided,
        };
        transform.check()?;
        Ok(Frames {
            transform,
            step,
            frames: last / step + 1,
        })
    }
}

impl<B: Backend> Operator<B> for Stft<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?;
        let window = inputs.optional_float(2)?;
        let frames = self.frames(shape, inputs.ints(1)?, window, inputs.optional_ints(3)?)?;
        let batch = shape.first().copied().unwrap_or(1);
        let bins = frames.transform.points().1;
        Ok(vec![Fact::float(vec![batch, frames.frames, bins, 2])])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let window = inputs.fact(2).map(Fact::shape);
        let Frames {
            transform,
            step,
            frames,
        } = self.frames(&shape, inputs.ints(1)?, window, inputs.optional_ints(3)?)?;
        let length = transform.length;
        let (batch, parts) = (
            shape.first().copied().unwrap_or(1),
            shape.last().copied().unwrap_or(1),
        );
        let samples = (0..frames).flat_map(|frame| (0..length).map(move |i| frame * step + i));
        let samples = upload::<B>(samples.collect(), inputs.device)?;
        let x = B::float_select(inputs.tensor(0)?, 1, samples);
        let rows = batch.saturating_mul(frames);
        let mut x = B::float_reshape(x, Shape::from([rows, length, parts]));
        if let Some(window) = inputs.optional_tensor(2)? {
            x = B::float_mul(x, B::float_reshape(window, Shape::from([1, length, 1])));
        }
        let y = transform.apply::<B>(x, &self.matrices, inputs.device)?;
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(y, Shape::from(out.to_vec()))])
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
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |step| {
            Case::new("STFT")
                .opset(17)
                .input(floats(&[1, 4, 1], &[1.0, 2.0, 4.0, 8.0]))
                .constant(ints(&[], &[step]))
        };
        let plain = || case(2).absent().constant(ints(&[], &[2]));
        plain().gives(&[1, 2, 2, 2], &[3.0, 0.0, -1.0, 0.0, 12.0, 0.0, -4.0, 0.0]);
        plain().gradient_agrees();
        let window = || floats(&[2], &[1.0, 0.5]);
        let weighted = case(2).input(window());
        weighted.gives(&[1, 2, 2, 2], &[2.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0]);
        weighted.gradient_agrees();
        case(1)
            .int("onesided", 0)
            .constant(floats(&[3], &[1.0; 3]))
            .gradient_agrees();
        case(0).constant(window()).fails("0 samples make no frames");
        case(1).fails("neither a window nor frame_length");
        case(1)
            .constant(window())
            .constant(ints(&[], &[3]))
            .fails("not a list of 3 weights");
        case(1)
            .absent()
            .constant(ints(&[], &[5]))
            .fails("shorter than a frame");
    }
}
