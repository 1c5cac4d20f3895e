//! Kernels of our own in place of burn's.

use std::sync::Mutex;

use burn_backend::AutodiffBackend;
use scoville_kernels::{Bridge, Device};

use super::{End, Engine, Network};
use crate::Error;
use crate::contained::contained;
use crate::convnet::Make;
use crate::probe::{agree, noise};
use crate::program::Segment;

/// What became of kernels of our own.
pub(crate) enum Fast {
    /// There is nothing that they could run.
    Nothing,
    Taken,
    /// They would give something else, or could not be tried.
    Refused(String),
}

impl Fast {
    /// Why they are not taken.
    pub fn refusal(self) -> Option<String> {
        match self {
            Fast::Refused(note) => Some(note),
            Fast::Nothing | Fast::Taken => None,
        }
    }
}

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Lets kernels of our own run what they can, if the output of a sample of noise stays `expected` to 1e-4 of the largest
    /// value.
    pub fn accelerate(
        &mut self,
        make: Make<B>,
        expected: impl FnOnce(&Self) -> Result<Vec<f32>, Error>,
    ) -> Result<Fast, Error> {
        let segments = self.find_segments(make)?;
        if segments.is_empty() {
            return Ok(Fast::Nothing);
        }
        let refused = |why: String| {
            Ok(Fast::Refused(format!(
                "the faster convolutions are not taken: {why}"
            )))
        };
        let expected = match expected(self) {
            Ok(expected) => expected,
            Err(error) => return refused(format!("noise could not be run to check them: {error}")),
        };
        self.set_segments(segments);
        match self.probe() {
            Ok(fast) if agree(&fast, &expected) => return Ok(Fast::Taken),
            Ok(_) => {}
            Err(error) if self.device == Device::Cpu => return Err(error),
            Err(error) => {
                self.set_segments(Vec::new());
                return refused(error.to_string());
            }
        }
        self.set_segments(Vec::new());
        refused("they differ by more than 1e-4 on this model".into())
    }

    fn find_segments(&self, make: Make<B>) -> Result<Vec<Segment<B>>, Error> {
        let n = match self.batched {
            true => 2,
            false => self.recipe.baked.unwrap_or(1),
        };
        let plan = self.plan(n, End::Output)?;
        let softmax = self.recipe.softmax.iter();
        let softmax = softmax.map(|softmax| softmax.input.as_str());
        let kept: Vec<&str> = softmax.chain([self.recipe.output.as_str()]).collect();
        contained("packing convolutions", || {
            Ok(self.program.find_segments(&self.graph, &plan, &kept, make))
        })
    }

    /// The output of a sample of noise, with the first random numbers where the model draws any.
    pub fn probe(&self) -> Result<Vec<f32>, Error> {
        let x = noise(&self.device, 1, self.sample_len())?;
        self.program.rewind();
        Ok(self.run(&x, End::Output)?.to_vec()?)
    }

    /// Runs these segments from now on.
    fn set_segments(&mut self, segments: Vec<Segment<B>>) {
        self.plans = Mutex::default();
        self.program.set_segments(segments);
    }
}
