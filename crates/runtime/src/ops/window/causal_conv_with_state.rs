//! CausalConvWithState: a convolution of each channel of \[n, c, length\] with its own kernel \[c, 1,
//! k\] over the present and the past, and the last k - 1 places for the next call. The past is zero
//! where none is given.

use burn_backend::ops::{ConvOptions, PadMode};
use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct CausalConv {
    /// `x * sigmoid(x)` at the end.
    silu: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let silu = match node.attributes.string("activation")? {
        None | Some("none" | "") => false,
        Some("silu" | "swish") => true,
        Some(other) => return Err(Fault::Unsupported(format!("activation {other:?}"))),
    };
    Ok(Box::new(CausalConv { silu }))
}

impl<B: Backend> Operator<B> for CausalConv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, weights) = (inputs.float(0)?, inputs.float(1)?);
        let (&[n, channels, length], &[filters, 1, kernel]) = (x, weights) else {
            return Err(Fault::shape(
                "an input of [n, c, length] and weights of [c, 1, k] are needed",
            ));
        };
        if filters != channels || channels == 0 || length == 0 || kernel == 0 {
            return Err(Fault::shape(format!(
                "weights of {weights:?} do not fit an input of {x:?}"
            )));
        }
        let state = vec![n, channels, kernel - 1];
        if inputs.optional_float(2)?.is_some_and(|b| b != [channels])
            || inputs.optional_float(3)?.is_some_and(|past| past != state)
        {
            return Err(Fault::shape(format!(
                "the bias is not [{channels}], or the past state not {state:?}"
            )));
        }
        let x = inputs.any(0)?;
        let present = match kernel {
            1 => Fact::known(x.dtype, state, Elements::Float(Vec::new())),
            _ => x.with_shape(state),
        };
        Ok(vec![x.with_shape(x.shape().to_vec()), present])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (shape, weights) = (inputs.shape(0)?, inputs.shape(1)?);
        let (&[n, channels, length], &[_, _, kernel]) = (shape.as_slice(), weights.as_slice())
        else {
            return Err(Fault::shape("three axes are needed"));
        };
        let x = inputs.tensor(0)?;
        let all = match inputs.fact(3) {
            _ if kernel == 1 => x,
            Some(_) => B::float_cat(vec![inputs.tensor(3)?, x], 2),
            None => B::float_pad(
                x,
                &[(0, 0), (0, 0), (kernel - 1, 0)],
                PadMode::Constant(0.0),
            ),
        };
        let present = match kernel {
            // Known to be empty, and not asked for.
            1 => all.clone(),
            _ => {
                let last = (length..length + kernel - 1).into();
                B::float_slice(all.clone(), &[(0..n).into(), (0..channels).into(), last])
            }
        };
        let (weights, bias) = (inputs.tensor(1)?, inputs.optional_tensor(2)?);
        let options = ConvOptions::new([1], [0], [1], channels);
        let out = B::conv1d(all, weights, bias, options);
        let out = match self.silu {
            true => B::float_mul(out.clone(), B::sigmoid(out)),
            false => out,
        };
        Ok(vec![out, present])
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
    use crate::ops::testing::{Case, floats};

    fn plain() -> Case {
        Case::new("CausalConvWithState")
            .opset(27)
            .outputs(2)
            .input(floats(&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
            .constant(floats(&[2, 1, 2], &[1.0, 10.0, 2.0, 0.5]))
    }

    #[test]
    fn values() {
        plain().gives(&[1, 2, 3], &[10.0, 21.0, 32.0, 2.0, 10.5, 13.0]);
        plain().output_gives(1, &[1, 2, 1], &[3.0, 6.0]);
        let past = || {
            plain()
                .constant(floats(&[2], &[0.5, 0.0]))
                .input(floats(&[1, 2, 1], &[7.0, 8.0]))
        };
        past().gives(&[1, 2, 3], &[17.5, 21.5, 32.5, 18.0, 10.5, 13.0]);
        past().gradient_agrees();
        plain().string("activation", "silu").gradient_agrees();
    }

    #[test]
    fn faults() {
        plain().string("activation", "relu").fails("relu");
        plain()
            .constant(floats(&[1], &[0.0]))
            .fails("the bias is not [2]");
    }
}
