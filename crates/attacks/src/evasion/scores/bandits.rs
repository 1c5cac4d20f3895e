//! Bandits: a prior on the gradient is kept from step to step, in pixels larger than the image's, and improved by one
//! difference along a random direction before each step.
//!
//! Ilyas, Engstrom & Madry 2019, <https://arxiv.org/abs/1807.07978>.

use scoville_kernels::{
    Array, Image, Map, Noise, Norm, Reduce, Zip, combine, enlarge, map, noise, reduce_rows, step,
    zip,
};
use scoville_targets::Scores;

use super::{ask, behind, compact};
use crate::registry::{Access, Algorithm, BLACK_BOX, BOTH, Row, real, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "bandits",
    summary: "Follows a coarse guess of the gradient, which two scores improve before each step",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole("side", 8.0, 1e4, "most pixels along each side of the guess"),
        real("step", 0.4, (1e-6, 10.0), "length of a step, in eps"),
    ],
    paper: "Ilyas 2019, arXiv:1807.07978",
    build: |v| {
        Algorithm::BlackBox(Box::new(Bandits {
            queries: v.whole("queries"),
            side: v.whole("side"),
            step: v.real("step"),
        }))
    },
};

/// Bandits with a prior of at most `side` x `side` pixels. A step costs two queries for the prior and one where it leads;
/// at least one step, and as many as `queries` queries a sample allow. It is the share `step` of eps long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bandits {
    pub queries: usize,
    pub side: usize,
    pub step: f32,
}

impl BlackBox for Bandits {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut prior = Prior::new(self.side, search)?;
        for turn in 0..(self.queries / 3).max(1) {
            if compact(search, &mut [&mut x, &mut prior.state])? {
                return Ok(());
            }
            prior.improve(&x, turn, search, target)?;
            let gradient = prior.gradient(&prior.value()?)?;
            let length = self.step * search.ball.eps;
            step(&mut x, &search.x0, &gradient, length, &search.ball)?;
            ask(&x, search, target)?;
        }
        Ok(())
    }
}

/// The prior, with the paper's parameters for its norm.
struct Prior {
    small: Image,
    image: Image,
    rule: PriorRule,
    /// In Linf the inverse hyperbolic tangent of the prior, so that adding to it is the exponentiated gradient step.
    state: Array,
}

#[derive(Clone, Copy)]
struct PriorRule {
    bounded: bool,
    /// How far the probes are from the point, and how far random directions lead away from the prior.
    reach: f32,
    exploration: f32,
    rate: f32,
}

impl Prior {
    fn new(side: usize, search: &Search<'_>) -> Result<Self, Error> {
        let image = search.image;
        let small = Image {
            channels: image.channels,
            height: image.height.min(side),
            width: image.width.min(side),
        };
        let rule = match search.ball.norm {
            Norm::Linf => PriorRule {
                bounded: true,
                reach: 0.1,
                exploration: 1.0,
                rate: 100.0,
            },
            _ => PriorRule {
                bounded: false,
                reach: 0.01,
                exploration: 0.01,
                rate: 0.1,
            },
        };
        let cols = small.channels * small.height * small.width;
        Ok(Self {
            small,
            image,
            rule,
            state: Array::zeros(&search.device(), search.running(), cols)?,
        })
    }

    fn value(&self) -> Result<Array, Error> {
        let mut value = self.state.copy()?;
        if self.rule.bounded {
            map(&mut value, Map::Tanh)?;
        }
        Ok(value)
    }

    /// A prior at the size of the image.
    fn gradient(&self, value: &Array) -> Result<Array, Error> {
        Ok(enlarge(value, self.small, self.image)?)
    }

    fn improve(
        &mut self,
        x: &Array,
        turn: usize,
        search: &Search<'_>,
        target: &dyn Scores,
    ) -> Result<(), Error> {
        let PriorRule {
            reach,
            exploration,
            rate,
            ..
        } = self.rule;
        let cols = self.state.cols();
        let u = noise(&search.ids, cols, Noise::Normal, search.seed, turn as u32)?;
        let away = exploration / (cols as f32).sqrt();
        let value = self.value()?;
        let at = |side: f32| {
            let mut leaning = value.copy()?;
            combine(&mut leaning, 1.0, &u, side * away)?;
            let mut probe = self.gradient(&leaning)?;
            let mut length = reduce_rows(&probe, Reduce::L2)?;
            map(&mut length, Map::Reciprocal)?;
            zip(&mut probe, Zip::Multiply, &length)?;
            combine(&mut probe, reach, x, 1.0)?;
            behind(&probe, search, target)
        };
        let mut slope = at(1.0)?;
        combine(&mut slope, 1.0, &at(-1.0)?, -1.0)?;
        let scale = rate * away / (reach * exploration);
        map(&mut slope, Map::Affine { scale, shift: 0.0 })?;
        Ok(combine(&mut self.state, 1.0, &u, &slope)?)
    }
}
