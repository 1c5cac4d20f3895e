//! Kernels of our own in place of burn's.

use std::collections::BTreeSet;
use std::sync::Mutex;

use burn_backend::AutodiffBackend;
use scoville_kernels::{Bridge, Device};

use super::{End, Engine, Network};
use crate::Error;
use crate::contained::contained;
use crate::convnet::Make;
use crate::probe::{agree, noise};
use crate::program::Segment;

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Lets kernels of our own run what they can, if the output of a sample of noise stays `expected` to 1e-4 of the largest
    /// value. Gives the reasons if there is something that they could run and do not.
    pub fn accelerate(
        &mut self,
        make: &Make<B>,
        expected: impl FnOnce(&Self) -> Result<Vec<f32>, Error>,
    ) -> Result<Vec<String>, Error> {
        let (segments, refusals) = self.find_segments(make)?;
        let slower =
            |why| format!("a part of the network runs without the faster convolutions: {why}");
        let notes: Vec<String> = refusals.into_iter().map(slower).collect();
        if segments.is_empty() {
            return Ok(notes);
        }
        let refused = |why: String| {
            let note = format!("the faster convolutions are not taken: {why}");
            Ok(vec![note])
        };
        let expected = match expected(self) {
            Ok(expected) => expected,
            Err(error) => return refused(format!("noise could not be run to check them: {error}")),
        };
        self.set_segments(segments);
        match self.probe() {
            Ok(fast) if agree(&fast, &expected) => return Ok(notes),
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

    fn find_segments(&self, make: &Make<B>) -> Result<(Vec<Segment<B>>, BTreeSet<String>), Error> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scoville_onnx::{Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};

    use super::*;
    use crate::ModelSpec;
    use crate::convnet::host;
    use crate::network::Recipe;
    use crate::prologue::Prologue;
    use crate::step::Host;

    /// A convolution alone.
    fn graph() -> Graph {
        let port = |name: &str, shape: &[usize]| Port {
            name: name.into(),
            dtype: DType::F32,
            shape: Some(shape.iter().map(|&size| Dim::Fixed(size)).collect()),
        };
        let weights = Tensor {
            shape: vec![3, 2, 2, 2],
            data: Data::F32((0..24).map(|i| i as f32 / 24.0).collect()),
        };
        Graph {
            opsets: [(String::new(), 17)].into(),
            inputs: vec![port("x", &[1, 2, 4, 4])],
            outputs: vec![port("y", &[1, 3, 3, 3])],
            nodes: vec![Node {
                name: "conv".into(),
                op: "Conv".into(),
                inputs: vec!["x".into(), "w".into()],
                outputs: vec!["y".into()],
                domain: String::new(),
                attributes: Attributes::default(),
            }],
            constants: [("w".into(), weights)].into(),
            ..Graph::default()
        }
    }

    fn network() -> Network<Host> {
        let sample = [2, 4, 4].map(Dim::Fixed);
        let recipe = Recipe {
            name: "one".into(),
            output: "y".into(),
            prologue: Prologue::new(&ModelSpec::raw(), Some(&sample)).unwrap(),
            softmax: None,
            features: None,
            baked: Some(1),
            dtype: DType::F32,
            memory: None,
        };
        Network::load(Arc::new(recipe), graph(), &Device::Cpu).unwrap()
    }

    #[test]
    fn networks_that_agree_are_taken() {
        let mut network = network();
        let refusal = network.accelerate(&host::MAKE, Network::probe).unwrap();
        assert!(refusal.is_empty());
        assert_eq!(network.inspect().unwrap().networks(), 1);
    }

    /// What is not packed is said.
    #[test]
    fn networks_that_are_not_packed_are_named() {
        let mut network = network();
        let make = Make {
            pack: &|_, _, _| Err("too large".to_owned()),
            last: true,
        };
        let notes = network.accelerate(&make, Network::probe).unwrap();
        let expected = "a part of the network runs without the faster convolutions: too large";
        assert_eq!(notes, [expected]);
        assert_eq!(network.inspect().unwrap().networks(), 0);
    }

    /// What would be wrong is not taken.
    #[test]
    fn networks_that_differ_are_refused() {
        let mut network = network();
        let other = |_: &_| Ok(vec![0.5; 27]);
        let refusal = network.accelerate(&host::MAKE, other).unwrap();
        assert!(
            refusal[0].contains("differ by more than 1e-4"),
            "{refusal:?}"
        );
        assert_eq!(network.inspect().unwrap().networks(), 0);
    }
}
