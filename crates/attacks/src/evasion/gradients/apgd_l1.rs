//! Auto-PGD in L1: steps in few elements, as many as the best perturbation has over 1.5, whose length is that of the ball
//! where the perturbation grew sparser and shrinks where it did not; begun in balls that are larger than the one asked for.
//!
//! Croce & Hein 2021, <https://arxiv.org/abs/2103.01208>.

use std::ops::Range;

use scoville_kernels::{
    Array, Ball, Loss, Map, Reduce, distance_rows, head, keep_lower, map, project_l1, select,
    sparse_step,
};
use scoville_targets::Gradients;

use crate::parts::{Start, labels, restarts};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

/// The radius of each stage's ball in eps. All but the last have three tenths of the steps.
const STAGES: [f32; 3] = [3.0, 2.0, 1.0];

/// What is kept of the best perturbation's elements for a step, and of a step's length where it grew no sparser.
const SHARE: f32 = 1.0 / 1.5;
/// It is sparser below this share of the elements before.
const SPARSER: f32 = 0.95;
/// The shortest step, in eps.
const SHORTEST: f32 = 0.1;

/// APGD in L1 on `loss` with `steps` steps over all stages and `restarts` random starts, each towards another class if the
/// loss is targeted. A restart costs two gradient evaluations beside the steps, and a query (two with a targeted loss).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApgdL1 {
    pub loss: Loss,
    pub steps: usize,
    pub restarts: usize,
}

impl WhiteBox for ApgdL1 {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        self.run_some(0..self.restarts(target.classes()), search, target)
    }

    fn restarts(&self, classes: usize) -> usize {
        restarts(self.loss, self.restarts, classes)
    }

    fn run_some(
        &self,
        some: Range<usize>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        for restart in some.start..some.end.min(self.restarts(target.classes())) {
            if search.is_done() {
                break;
            }
            self.walk(restart, search, target)?;
        }
        Ok(())
    }
}

impl ApgdL1 {
    fn walk(
        &self,
        restart: usize,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut labels = labels(self.loss, restart, search, target)?;
        let mut x = None;
        for (ball, steps) in self.stages(&search.ball) {
            let from = match x {
                None => Start::Surface.place_in(&ball, search, restart)?,
                Some(x) => x,
            };
            x = Some(self.stage(from, &ball, steps, &mut labels, search, target)?);
        }
        search.settle()
    }

    /// The balls with their numbers of steps. The last is that of the search, and has what the others leave.
    fn stages(&self, ball: &Ball) -> [(Ball, usize); 3] {
        let mut left = self.steps;
        STAGES.map(|radius| {
            let steps = if radius > 1.0 {
                self.steps * 3 / 10
            } else {
                left
            };
            left -= steps;
            let eps = radius * ball.eps;
            (Ball { eps, ..*ball }, steps)
        })
    }

    /// Walks in `ball` and gives the point of the highest loss, to go on from. Points count only in the ball of the search,
    /// which is the last.
    fn stage(
        &self,
        mut x: Array,
        ball: &Ball,
        steps: usize,
        labels: &mut Array<u32>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let counts = ball.eps == search.ball.eps;
        project(&mut x, ball, search)?;
        let mut memory = Memory::begin(&x, ball, search)?;
        let every = (steps * 4 / 100).max(1);
        for step in 0..steps {
            let mut seen = target.gradient(&x, labels, self.loss)?;
            if counts {
                search.offer(&x, &seen.predicted)?;
            }
            if let Some(rows) = search.compact()? {
                gather_in_place(&mut x, &rows)?;
                gather_in_place(labels, &rows)?;
                gather_in_place(&mut seen.loss, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
                memory.gather(&rows)?;
                if search.is_done() {
                    return Ok(x);
                }
            }
            memory.note(&x, seen.loss, &seen.gradient)?;
            if step > 0 && step % every == 0 {
                memory.adapt(&mut x, &mut seen.gradient, search)?;
            }
            sparse_step(&mut x, &seen.gradient, &memory.kept, &memory.alpha)?;
            project(&mut x, ball, search)?;
        }
        if counts {
            let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer(&x, &last.predicted)?;
            return Ok(x);
        }
        let last = target.gradient(&x, labels, self.loss)?;
        memory.keep(&x, last.loss)?;
        Ok(memory.best)
    }
}

fn project(x: &mut Array, ball: &Ball, search: &Search<'_>) -> Result<(), Error> {
    let radius = Array::filled(&search.device(), x.rows(), 1, ball.eps)?;
    Ok(project_l1(x, &search.x0, &radius, ball)?)
}

/// What a walk remembers of every running sample.
struct Memory {
    eps: f32,
    best: Array,
    best_gradient: Array,
    /// The best loss, with its sign turned.
    lowest: Array,
    /// How many elements were changed when that was last looked at.
    changed: Array,
    /// How many elements a step moves, and by how much in all.
    kept: Array,
    alpha: Array,
}

impl Memory {
    fn begin(x: &Array, ball: &Ball, search: &Search<'_>) -> Result<Self, Error> {
        let (device, n) = (search.device(), x.rows());
        let changed = distance_rows(x, &search.x0, Reduce::L0)?;
        Ok(Self {
            eps: ball.eps,
            best: x.copy()?,
            best_gradient: Array::zeros(&device, n, x.cols())?,
            lowest: Array::filled(&device, n, 1, f32::INFINITY)?,
            kept: scaled(&changed, SHARE)?,
            changed,
            alpha: Array::filled(&device, n, 1, ball.eps)?,
        })
    }

    /// Keeps the point of the highest loss. Gives the mask of the rows where it is `x`.
    fn keep(&mut self, x: &Array, mut loss: Array) -> Result<Array<u32>, Error> {
        let (scale, shift) = (-1.0, 0.0);
        map(&mut loss, Map::Affine { scale, shift })?;
        let better = keep_lower(&mut self.lowest, &loss)?;
        select(&mut self.best, x, &better)?;
        Ok(better)
    }

    fn note(&mut self, x: &Array, loss: Array, gradient: &Array) -> Result<(), Error> {
        let better = self.keep(x, loss)?;
        Ok(select(&mut self.best_gradient, gradient, &better)?)
    }

    /// Sends samples whose best point grew sparser back to it with the longest step, and shortens that of the others.
    fn adapt(
        &mut self,
        x: &mut Array,
        gradient: &mut Array,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let changed = distance_rows(&self.best, &search.x0, Reduce::L0)?;
        let sparser = keep_lower(&mut scaled(&self.changed, SPARSER)?, &changed)?;
        self.kept = scaled(&changed, SHARE)?;
        self.changed = changed;

        let (lo, hi) = (SHORTEST * self.eps, self.eps);
        self.alpha = scaled(&self.alpha, SHARE)?;
        map(&mut self.alpha, Map::Clamp { lo, hi })?;
        let longest = Array::filled(&search.device(), x.rows(), 1, self.eps)?;
        select(&mut self.alpha, &longest, &sparser)?;
        select(x, &self.best, &sparser)?;
        Ok(select(gradient, &self.best_gradient, &sparser)?)
    }

    fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        let all = [
            &mut self.best,
            &mut self.best_gradient,
            &mut self.lowest,
            &mut self.changed,
            &mut self.kept,
            &mut self.alpha,
        ];
        all.into_iter()
            .try_for_each(|array| gather_in_place(array, rows))
    }
}

fn scaled(array: &Array, scale: f32) -> Result<Array, Error> {
    let mut scaled = array.copy()?;
    map(&mut scaled, Map::Affine { scale, shift: 0.0 })?;
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scoville_kernels::Norm;

    #[test]
    fn the_stages_share_the_steps() {
        let ball = Ball {
            norm: Norm::L1,
            eps: 2.0,
            lo: 0.0,
            hi: 1.0,
        };
        for (steps, expected) in [(100, [30, 30, 40]), (11, [3, 3, 5]), (1, [0, 0, 1])] {
            let attack = ApgdL1 {
                loss: Loss::CrossEntropy,
                steps,
                restarts: 1,
            };
            let stages = attack.stages(&ball);
            assert_eq!(stages.iter().map(|s| s.1).collect::<Vec<_>>(), expected);
            assert_eq!(
                stages.iter().map(|s| s.0.eps).collect::<Vec<_>>(),
                [6.0, 4.0, 2.0]
            );
        }
    }
}
