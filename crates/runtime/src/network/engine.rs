//! Running a network: forward, and back to the input.

use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, Shape, Slice, TensorMetadata};
use scoville_kernels::{Array, Bridge, Device};

use super::Network;
use crate::Error;
use crate::contained::contained;
use crate::convnet::Run;
use crate::inspect::{Inspection, inspect};
use crate::value::Value;

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// A sample's features, in an inner layer.
    Features,
    Logits,
    Output,
}

/// The head of a gradient: logits in, the derivative of the loss by them out.
pub(crate) type Head<'a> = &'a mut dyn FnMut(&Array) -> Result<Array, scoville_kernels::Error>;

/// What the head gives, in messages.
const BY_VALUES: &str = "the derivative that the head gives";

/// A network on whatever backend.
pub(crate) trait Engine: Send + Sync {
    /// Values at `end`, one row a sample.
    fn run(&self, x: &Array, end: End) -> Result<Array, Error>;
    /// Values at `end`, and the derivative by `x` of what `head` derives by them.
    fn gradient(&self, x: &Array, end: End, head: Head) -> Result<(Array, Array), Error>;
    /// Bytes that a gradient of `n` samples holds.
    fn gradient_bytes(&self, n: usize) -> Result<u64, Error>;
    /// Whether it draws random numbers, anew at every run.
    fn is_random(&self) -> bool;
    /// Hands out the weights as they are on the device now, one after the other in pieces, each with
    /// the name and the number of elements of the whole.
    fn weights(&self, take: &mut dyn FnMut(&str, usize, &[f32])) -> Result<(), Error>;
    /// What the graph is made of.
    fn inspect(&self) -> Result<Inspection, Error>;
}

/// Most weights that are read back at once.
const PIECE: usize = 1 << 20;

/// Bytes of a run that are not worth asking the system for.
const SMALL: u64 = 64 << 20;

impl<B> Engine for Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    fn run(&self, x: &Array, end: End) -> Result<Array, Error> {
        let n = x.rows();
        self.check_memory(n, end, false)?;
        self.expect_input(x)?;
        let sole = self.sole(n, end)?;
        contained("the forward pass", || {
            if let Some(net) = sole {
                return self.scaled(x, |x| Ok(net.forward(x)?));
            }
            self.export(self.forward(self.import(x)?, n, end, false)?, n)
        })
    }

    fn gradient_bytes(&self, n: usize) -> Result<u64, Error> {
        self.held(n, End::Logits, true)
    }

    fn is_random(&self) -> bool {
        self.program.is_random()
    }

    fn gradient(&self, x: &Array, end: End, head: Head) -> Result<(Array, Array), Error> {
        let n = x.rows();
        self.check_memory(n, end, true)?;
        self.expect_input(x)?;
        if let Some(net) = self.sole(n, end)? {
            return self.direct_gradient(net, x, head);
        }
        let (leaf, values, exported) = contained("the forward pass", || {
            let leaf = B::float_set_require_grad(self.import(x)?, true);
            let values = self.forward(leaf.clone(), n, end, true)?;
            let exported = self.export(values.clone(), n)?;
            Ok((leaf, values, exported))
        })?;
        let by_values = head(&exported)?;
        let cols = exported.cols();
        self.expect(BY_VALUES, &by_values, n, cols)?;
        let by_input = contained("the backward pass", || {
            let by_values = <B::InnerBackend as Bridge>::take(by_values, &[n, cols])?;
            // Backward seeds ones of the root's shape, so that this root's gradient by the values
            // is `by_values`: a vector-Jacobian product without a sum.
            let root = B::float_mul(values, B::from_inner(by_values));
            let mut gradients = B::backward(root);
            // A graph through which no gradient passes is piecewise constant.
            let Some(gradient) = B::grad_remove(&leaf, &mut gradients) else {
                return Ok(Array::zeros(&x.device(), n, x.cols())?);
            };
            self.by_pixels(<B::InnerBackend as Bridge>::export(gradient, n, x.cols())?)
        })?;
        Ok((exported, by_input))
    }

    fn inspect(&self) -> Result<Inspection, Error> {
        let samples = self.recipe.baked.filter(|_| !self.batched).unwrap_or(1);
        let plan = self.plan(samples, End::Output)?;
        Ok(inspect(&self.program, &plan, samples))
    }

    fn weights(&self, take: &mut dyn FnMut(&str, usize, &[f32])) -> Result<(), Error> {
        contained("reading the weights", || {
            for (name, tensor) in self.program.weights() {
                let len = tensor.shape().num_elements();
                let flat = B::float_reshape(tensor.clone(), Shape::from([len]));
                for start in (0..len).step_by(PIECE) {
                    let range = Slice::from(start..len.min(start + PIECE));
                    let piece = B::inner(B::float_slice(flat.clone(), &[range]));
                    let size = piece.shape().num_elements();
                    let array = <B::InnerBackend as Bridge>::export(piece, 1, size)?;
                    take(name, len, &array.to_vec()?);
                }
            }
            Ok(())
        })
    }
}

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Runs one batch of the graph.
    fn run_plan(
        &self,
        x: FloatTensor<B>,
        n: usize,
        end: End,
        tape: bool,
    ) -> Result<FloatTensor<B>, Error> {
        let plan = self.plan(n, end)?;
        let feed = Value::new(self.recipe.feed(n), x);
        let mut out = self.program.run(&plan, vec![feed], tape)?;
        let tensor = out.pop().and_then(|value| value.tensor);
        tensor.ok_or_else(|| Error::Interface {
            port: "output".into(),
            what: "it does not depend on the input".into(),
        })
    }

    /// The network that all of a run of `n` samples is, if samples come in its order: then burn has no part in it.
    fn sole(&self, n: usize, end: End) -> Result<Option<&dyn Run<B>>, Error> {
        if !self.batched || !self.recipe.prologue.keeps_order() {
            return Ok(None);
        }
        let plan = self.plan(n, end)?;
        Ok(self.program.sole_network(&plan))
    }

    /// The gradient by the one network that the model is.
    fn direct_gradient(
        &self,
        net: &dyn Run<B>,
        x: &Array,
        head: Head,
    ) -> Result<(Array, Array), Error> {
        let (values, back) = contained("the forward pass", || {
            self.scaled(x, |x| Ok(net.record(x)?))
        })?;
        let by_values = head(&values)?;
        self.expect(BY_VALUES, &by_values, x.rows(), values.cols())?;
        let by_input = contained("the backward pass", || self.by_pixels(back(&by_values)?))?;
        Ok((values, by_input))
    }

    /// Bytes that a run of `n` samples holds: with a `tape`, all that it makes.
    fn held(&self, n: usize, end: End, tape: bool) -> Result<u64, Error> {
        let (batch, runs) = match self.batched {
            true => (n, 1),
            false => (self.recipe.baked.unwrap_or(1), n as u64),
        };
        let plan = self.plan(batch, end)?;
        Ok(match tape {
            true => plan.total.saturating_mul(runs),
            false => plan.peak,
        })
    }

    /// Refuses a run that would hold more than there is.
    fn check_memory(&self, n: usize, end: End, tape: bool) -> Result<(), Error> {
        let bytes = self.held(n, end, tape)?;
        let of_device = match self.device {
            Device::Cpu if bytes > SMALL => self.device.available_memory(),
            _ => u64::MAX,
        };
        let available = self
            .recipe
            .memory
            .map_or(of_device, |limit| limit.min(of_device));
        if bytes <= available {
            return Ok(());
        }
        Err(Error::TooLarge {
            value: if tape { "the gradient" } else { "the run" }.into(),
            bytes: bytes.into(),
            batch: n,
            limit: available,
        })
    }

    /// `x` is n x sample, scaled, on the tape or not; n x classes comes out.
    fn forward(
        &self,
        x: FloatTensor<B>,
        n: usize,
        end: End,
        tape: bool,
    ) -> Result<FloatTensor<B>, Error> {
        let x = self.recipe.prologue.apply::<B>(x);
        let out = if self.batched {
            self.run_plan(x, n, end, tape)?
        } else {
            // A batch that is fixed and cannot be lifted is filled with the one sample.
            let fixed = self.recipe.baked.unwrap_or(1);
            let row = |i: usize| {
                let sample = B::float_slice(x.clone(), &row_of(&x.shape(), i));
                let batch = match fixed {
                    1 => sample,
                    n => B::float_cat(vec![sample; n], 0),
                };
                let out = self.run_plan(batch, fixed, end, tape)?;
                let shape = [fixed, out.shape().num_elements() / fixed];
                let out = B::float_reshape(out, Shape::from(shape));
                Ok(B::float_slice(out, &row_of(&shape, 0)))
            };
            B::float_cat((0..n).map(row).collect::<Result<_, Error>>()?, 0)
        };
        let cols = out.shape().num_elements() / n.max(1);
        Ok(B::float_reshape(out, Shape::from([n, cols])))
    }

    /// What `run` makes of the pixels `x`, scaled.
    fn scaled<R>(
        &self,
        x: &Array,
        run: impl FnOnce(&Array) -> Result<R, Error>,
    ) -> Result<R, Error> {
        match &self.scaling {
            Some(scaling) => run(&scaling.apply(x)?),
            None => run(x),
        }
    }

    /// From the derivative by the scaled pixels to the one by the pixels.
    fn by_pixels(&self, gradient: Array) -> Result<Array, Error> {
        match &self.scaling {
            Some(scaling) => scaling.back(&gradient),
            None => Ok(gradient),
        }
    }

    /// Pixels as a tensor, scaled.
    fn import(&self, x: &Array) -> Result<FloatTensor<B>, Error> {
        let shape = [x.rows(), self.sample_len()];
        let tensor = match &self.scaling {
            Some(scaling) => <B::InnerBackend as Bridge>::take(scaling.apply(x)?, &shape)?,
            None => <B::InnerBackend as Bridge>::import(x, &shape)?,
        };
        Ok(B::from_inner(tensor))
    }

    fn expect_input(&self, x: &Array) -> Result<(), Error> {
        self.expect("the input", x, x.rows().max(1), self.sample_len())
    }

    fn export(&self, tensor: FloatTensor<B>, rows: usize) -> Result<Array, Error> {
        let cols = tensor.shape().num_elements() / rows.max(1);
        let tensor = B::inner(tensor);
        Ok(<B::InnerBackend as Bridge>::export(tensor, rows, cols)?)
    }

    fn expect(
        &self,
        what: &'static str,
        array: &Array,
        rows: usize,
        cols: usize,
    ) -> Result<(), Error> {
        if array.device() != self.device {
            return Err(scoville_kernels::Error::DeviceMismatch { kernel: what }.into());
        }
        if (array.rows(), array.cols()) == (rows, cols) {
            return Ok(());
        }
        let expected = format!("{rows} x {cols}");
        Err(Error::Array {
            what,
            rows: array.rows(),
            cols: array.cols(),
            expected,
        })
    }
}

/// Row `i` of a tensor of `shape`.
fn row_of(shape: &[usize], i: usize) -> Vec<Slice> {
    let rest = shape.iter().skip(1).map(|&size| Slice::from(0..size));
    std::iter::once(Slice::from(i..i + 1)).chain(rest).collect()
}
