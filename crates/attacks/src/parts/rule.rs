//! How a point moves, given the gradient where it is.

use scoville_kernels::{
    ApgdMasks, ApgdState, Array, apgd_step, apgd_track, momentum, select, step,
};
use scoville_targets::Evaluation;

use super::conjugate::Conjugate;
use super::flow::Flow;
use crate::{Error, Search, search::gather_in_place};

/// The step rule of a gradient attack. Step lengths are fractions of eps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Steepest ascent in the ball's norm: the sign for Linf, the normalised gradient for L2.
    Steepest { step: f32 },
    /// Steepest ascent along accumulated gradients (MI-FGSM, Dong et al. 2018).
    Momentum { step: f32, decay: f32 },
    /// APGD's momentum step with its own schedule (Croce & Hein 2020b), over so many iterations.
    Auto { iterations: usize },
    /// The same schedule along conjugate gradients (ACG, Yamamura et al. 2022).
    Conjugate { iterations: usize },
    /// Steps of a flow between pixels, over so many iterations.
    Flow { step: f32, iterations: usize },
}

impl Rule {
    /// The state of a walk that begins.
    pub fn begin(self, search: &Search<'_>) -> Result<Walk, Error> {
        let (n, cols, device) = (search.x0.rows(), search.x0.cols(), search.device());
        Ok(match self {
            Rule::Steepest { step } => Walk::Steepest { step },
            Rule::Momentum { step, decay } => Walk::Momentum {
                step,
                decay,
                velocity: Array::zeros(&device, n, cols)?,
            },
            Rule::Auto { iterations } => Walk::Auto {
                checkpoints: checkpoints(iterations),
                state: None,
            },
            Rule::Conjugate { iterations } => Walk::Conjugate {
                checkpoints: checkpoints(iterations),
                state: None,
            },
            Rule::Flow { step, iterations } => {
                Walk::Flow(Box::new(Flow::begin(step, iterations, search)?))
            }
        })
    }
}

/// A walk under way.
pub enum Walk {
    Steepest {
        step: f32,
    },
    Momentum {
        step: f32,
        decay: f32,
        velocity: Array,
    },
    Auto {
        checkpoints: Vec<usize>,
        state: Option<Box<Climb>>,
    },
    Conjugate {
        checkpoints: Vec<usize>,
        state: Option<Box<Conjugate>>,
    },
    Flow(Box<Flow>),
}

/// APGD's walk: its memory, and the gradient at the last point.
pub struct Climb {
    auto: Auto,
    gradient: Array,
}

/// What APGD remembers of every running sample.
pub struct Auto {
    previous: Array,
    /// The best point and its gradient, where that isn't the last one.
    best: Array,
    best_gradient: Array,
    schedule: ApgdState,
    last_checkpoint: usize,
}

impl Walk {
    /// Moves `x` on from where `seen` was evaluated; `iteration` counts from 0.
    pub fn advance(
        &mut self,
        iteration: usize,
        x: &mut Array,
        seen: Evaluation,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let ball = &search.ball;
        match self {
            Walk::Steepest { step: fraction } => {
                step(x, &search.x0, &seen.gradient, *fraction * ball.eps, ball)?;
            }
            Walk::Momentum {
                step: fraction,
                decay,
                velocity,
            } => {
                momentum(velocity, &seen.gradient, *decay)?;
                step(x, &search.x0, velocity, *fraction * ball.eps, ball)?;
            }
            Walk::Auto {
                state: state @ None,
                ..
            } => {
                let mut auto = Auto::begin(x, &seen, search)?;
                auto.advance(1.0, x, &seen.gradient, search)?;
                let gradient = seen.gradient;
                *state = Some(Box::new(Climb { auto, gradient }));
            }
            Walk::Auto {
                checkpoints,
                state: Some(climb),
            } => {
                let Climb { auto, gradient } = climb.as_mut();
                (*gradient, _) = auto.track(iteration, checkpoints, x, gradient, seen)?;
                auto.advance(0.75, x, gradient, search)?;
            }
            Walk::Conjugate {
                state: state @ None,
                ..
            } => *state = Some(Box::new(Conjugate::begin(x, seen, search)?)),
            Walk::Conjugate {
                checkpoints,
                state: Some(conjugate),
            } => conjugate.advance(iteration, checkpoints, x, seen, search)?,
            Walk::Flow(flow) => flow.advance(iteration, x, &seen.gradient, search)?,
        }
        search.confine(x)
    }

    /// Keeps only `rows` of the state.
    pub fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        match self {
            Walk::Steepest { .. }
            | Walk::Auto { state: None, .. }
            | Walk::Conjugate { state: None, .. } => Ok(()),
            Walk::Momentum { velocity, .. } => gather_in_place(velocity, rows),
            Walk::Auto {
                state: Some(climb), ..
            } => {
                gather_in_place(&mut climb.gradient, rows)?;
                climb.auto.gather(rows)
            }
            Walk::Conjugate {
                state: Some(conjugate),
                ..
            } => conjugate.gather(rows),
            Walk::Flow(flow) => flow.gather(rows),
        }
    }
}

impl Auto {
    pub(super) fn begin(x: &Array, seen: &Evaluation, search: &Search<'_>) -> Result<Self, Error> {
        let device = search.device();
        let nothing_yet = || Array::zeros(&device, x.rows(), x.cols());
        Ok(Self {
            previous: x.copy()?,
            best: nothing_yet()?,
            best_gradient: nothing_yet()?,
            schedule: ApgdState::new(&device, &seen.loss, 2.0 * search.ball.eps)?,
            last_checkpoint: 0,
        })
    }

    pub(super) fn advance(
        &mut self,
        keep: f32,
        x: &mut Array,
        gradient: &Array,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let alpha = &self.schedule.alpha;
        Ok(apgd_step(
            x,
            &mut self.previous,
            &search.x0,
            gradient,
            alpha,
            keep,
            &search.ball,
        )?)
    }

    /// Notes the loss at `x`, keeps the best point where `x` leaves it, and at a checkpoint sends samples that stalled back to
    /// it with half the step. `before` is the gradient at the last point. Returns the gradient to go on with, and which
    /// samples were sent back.
    pub(super) fn track(
        &mut self,
        iteration: usize,
        checkpoints: &[usize],
        x: &mut Array,
        before: &Array,
        seen: Evaluation,
    ) -> Result<(Array, Array<u32>), Error> {
        let checkpoint = checkpoints.binary_search(&iteration).is_ok();
        let since = checkpoint.then(|| (iteration - self.last_checkpoint) as u32);
        let ApgdMasks { left, restart } = apgd_track(&seen.loss, &mut self.schedule, since)?;
        let mut gradient = seen.gradient;
        select(&mut self.best, &self.previous, &left)?;
        select(&mut self.best_gradient, before, &left)?;
        if checkpoint {
            self.last_checkpoint = iteration;
            select(x, &self.best, &restart)?;
            select(&mut gradient, &self.best_gradient, &restart)?;
        }
        Ok((gradient, restart))
    }

    /// Where the last point is the best so far.
    pub(super) fn improved(&self) -> &Array<u32> {
        &self.schedule.improved
    }

    pub(super) fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        gather_in_place(&mut self.previous, rows)?;
        gather_in_place(&mut self.best, rows)?;
        gather_in_place(&mut self.best_gradient, rows)?;
        self.schedule = self.schedule.gather(rows)?;
        Ok(())
    }
}

/// The iterations at which APGD looks back, as in the reference: the first interval is 22 % of all iterations, each next
/// one 3 % shorter, none below 6 %.
fn checkpoints(iterations: usize) -> Vec<usize> {
    let share = |percent: usize| (percent * iterations / 100).max(1);
    let (mut interval, shortest, decrease) = (share(22), share(6), share(3));
    let mut at = 0;
    let mut all = Vec::new();
    while at + interval <= iterations {
        at += interval;
        all.push(at);
        interval = interval.saturating_sub(decrease).max(shortest);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_those_of_the_reference() {
        // For 100 iterations the reference's intervals are 22, 19, 16, 13, 10, 7, 6, 6, ...
        assert_eq!(checkpoints(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checkpoints(1), [1]);
        assert_eq!(checkpoints(10), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
