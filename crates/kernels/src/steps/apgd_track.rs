//! APGD's memory of each sample, and its rule for the step size.
//!
//! At a checkpoint, `k` iterations after the last one, a sample's step size is halved, and it goes
//! on from its best point, where
//!
//! 1. the loss rose in at most `0.75 k` of these iterations, or
//! 2. the step size was not halved at the last checkpoint, and the best loss is still the same.
//!
//! Croce & Hein 2020, arXiv 2003.01690, section 3.2 and algorithm 1, and their code in AutoAttack,
//! which settles that a loss after a restart is compared with the last one before it. As published,
//! the first loss is compared with the starting point's; the code compares it with zero.
//!
//! A loss that is not finite is above nothing; a finite one is above any that is not.

use bytemuck::{Pod, Zeroable};

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, gather};

const KERNEL: &str = "apgd_track";
const SHADER: Shader = shader!("apgd_track");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    moment: u32,
    few_rises: u32,
}

/// Where in a walk losses are taken in; the numbers are the shader's.
#[derive(Clone, Copy)]
enum Moment {
    /// At the starting points.
    Start = 0,
    Between = 1,
    /// At a checkpoint, where so many rises are few.
    Checkpoint = 2,
}

/// Of each row's losses are kept: the last, the best, what the best must exceed at the next checkpoint by rule 2 (any loss
/// exceeds the lowest number, which stands here as long as the rule does not apply), and in how many iterations since the
/// last checkpoint the loss rose.
const KEPT: usize = 4;

/// What APGD remembers of each row.
#[derive(Debug)]
pub struct ApgdState {
    /// n x [`KEPT`].
    losses: Array,
    /// The step size, absolute: what [`apgd_step`](fn@crate::apgd_step) takes. n x 1.
    pub alpha: Array,
    /// Where the last point is the best so far. n x 1.
    pub improved: Array<u32>,
}

/// What the caller does next; n x 1 each. What `left` asks for comes first.
///
/// A better point often follows another, so a best point is kept when it is left, not when it is found.
#[derive(Debug)]
pub struct ApgdMasks {
    /// Where the point before is the best so far and this one is not: keep that one, and its gradient.
    pub left: Array<u32>,
    /// Where to go on from the kept point and its gradient.
    pub restart: Array<u32>,
}

impl ApgdState {
    /// Before the first step: `loss0` (n x 1) is the loss of the starting points, which are the best so far; `alpha0` the
    /// first step size (2 eps in the paper).
    pub fn new(device: &Device, loss0: &Array, alpha0: f32) -> Result<Self, Error> {
        let rows = loss0.rows();
        loss0.expect_shape(KERNEL, "loss0", rows, 1)?;
        if loss0.device() != *device {
            return Err(Error::DeviceMismatch { kernel: KERNEL });
        }
        let mut state = ApgdState {
            losses: Array::uninit(device, rows, KEPT)?,
            alpha: Array::filled(device, rows, 1, alpha0)?,
            improved: Array::uninit(device, rows, 1)?,
        };
        take_in(loss0, &mut state, Moment::Start, 0)?;
        Ok(state)
    }

    /// The state of `rows` (m x 1) only, in their order.
    pub fn gather(&self, rows: &Array<u32>) -> Result<Self, Error> {
        Ok(ApgdState {
            losses: gather(&self.losses, rows)?,
            alpha: gather(&self.alpha, rows)?,
            improved: gather(&self.improved, rows)?,
        })
    }
}

/// Takes in the losses (n x 1) of one iteration. `checkpoint` is `Some(k)` in the last of the `k`
/// iterations that end at a checkpoint.
pub fn apgd_track(
    loss: &Array,
    state: &mut ApgdState,
    checkpoint: Option<u32>,
) -> Result<ApgdMasks, Error> {
    match checkpoint {
        None => take_in(loss, state, Moment::Between, 0),
        // The whole numbers up to 0.75 k.
        Some(k) => take_in(loss, state, Moment::Checkpoint, k - k.div_ceil(4)),
    }
}

fn take_in(
    loss: &Array,
    state: &mut ApgdState,
    moment: Moment,
    few_rises: u32,
) -> Result<ApgdMasks, Error> {
    let rows = loss.rows();
    loss.expect_shape(KERNEL, "loss", rows, 1)?;
    state.alpha.expect_shape(KERNEL, "state", rows, 1)?;
    let device = loss.device();
    let mut masks = ApgdMasks {
        left: Array::uninit(&device, rows, 1)?,
        restart: Array::uninit(&device, rows, 1)?,
    };
    match device {
        Device::Cpu => on_cpu(loss, state, moment, few_rises, &mut masks)?,
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                moment: moment as u32,
                few_rises,
            };
            let arrays = [
                loss.buffer(KERNEL, &gpu)?,
                state.losses.buffer(KERNEL, &gpu)?,
                state.alpha.buffer(KERNEL, &gpu)?,
                state.improved.buffer(KERNEL, &gpu)?,
                masks.left.buffer(KERNEL, &gpu)?,
                masks.restart.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(masks)
}

fn on_cpu(
    loss: &Array,
    state: &mut ApgdState,
    moment: Moment,
    few_rises: u32,
    masks: &mut ApgdMasks,
) -> Result<(), Error> {
    let (losses, _) = state.losses.host_mut(KERNEL)?.as_chunks_mut::<KEPT>();
    let alpha = state.alpha.host_mut(KERNEL)?;
    let improved = state.improved.host_mut(KERNEL)?;
    let left = masks.left.host_mut(KERNEL)?;
    let restart = masks.restart.host_mut(KERNEL)?;
    for (row, &now) in loss.host(KERNEL)?.iter().enumerate() {
        let [last, best, bar, rises] = &mut losses[row];
        if let Moment::Start = moment {
            (*last, *best, *bar, *rises) = (now, now, f32::MIN, 0.0);
            (improved[row], left[row], restart[row]) = (1, 0, 0);
            continue;
        }
        if above(now, *last) {
            *rises += 1.0;
        }
        *last = now;
        let better = above(now, *best);
        if better {
            *best = now;
        }
        left[row] = u32::from(improved[row] == 1 && !better);
        improved[row] = u32::from(better);
        restart[row] = 0;
        if let Moment::Checkpoint = moment {
            let halve = *rises <= few_rises as f32 || !above(*best, *bar);
            restart[row] = u32::from(halve && !better);
            alpha[row] *= if halve { 0.5 } else { 1.0 };
            *bar = if halve { f32::MIN } else { *best };
            *rises = 0.0;
        }
    }
    Ok(())
}

fn above(a: f32, b: f32) -> bool {
    a.is_finite() && (!b.is_finite() || a > b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, shapes};

    /// What one row went through, told from its whole history.
    #[derive(Default)]
    struct Naive {
        losses: Vec<f32>,
        checkpoints: Vec<usize>,
        halved: Vec<bool>,
        best: Vec<f32>,
    }

    impl Naive {
        fn start(loss: f32) -> Self {
            Naive {
                losses: vec![loss],
                checkpoints: vec![0],
                halved: vec![],
                best: vec![loss],
            }
        }

        /// Takes in a loss; (improved, left, restart).
        fn track(&mut self, loss: f32, checkpoint: bool) -> [u32; 3] {
            let was_best = self.losses[..self.losses.len() - 1]
                .iter()
                .all(|before| before < self.losses.last().unwrap());
            let best = *self.best.last().unwrap();
            self.losses.push(loss);
            self.best.push(best.max(loss));
            let mut restart = false;
            if checkpoint {
                let (now, last) = (self.losses.len() - 1, *self.checkpoints.last().unwrap());
                let rises = (last..now)
                    .filter(|&i| self.losses[i + 1] > self.losses[i])
                    .count();
                let oscillates = rises as f64 <= 0.75 * (now - last) as f64;
                let stagnates =
                    self.halved.last() == Some(&false) && self.best[last] == self.best[now];
                restart = oscillates || stagnates;
                self.halved.push(restart);
                self.checkpoints.push(now);
            }
            let improved = loss > best;
            [improved, was_best && !improved, restart && !improved].map(u32::from)
        }

        fn alpha(&self) -> f32 {
            0.5_f32.powi(self.halved.iter().filter(|&&halved| halved).count() as i32)
        }
    }

    /// Losses that climb on most rows, so that all the rule's cases occur; ties are frequent.
    fn climb(random: &mut Random, row: usize, loss: f32) -> f32 {
        let steps = [
            [1.0, 1.0, 1.0],
            [1.0, 0.0, -1.0],
            [1.0, 1.0, -3.0],
            [0.0, -1.0, 0.0],
        ];
        let often = [20, 3, 9, 4][row % 4];
        loss + steps[row % 4][if random.below(often) > 1 {
            0
        } else {
            1 + random.below(2)
        }]
    }

    #[test]
    fn follows_the_history_on_every_device() {
        let mut random = Random::new(3);
        let mut seen = [0; 2];
        for (a, b) in shapes(3) {
            let rows = a.max(b);
            let start: Vec<f32> = (0..rows).map(|row| (row % 5) as f32).collect();
            let mut naive: Vec<_> = start.iter().map(|&loss| Naive::start(loss)).collect();
            let devices = testing::devices();
            let column =
                |device, data: &Vec<f32>| Array::from_vec(device, rows, 1, data.clone()).unwrap();
            let states = devices
                .iter()
                .map(|device| ApgdState::new(device, &column(device, &start), 1.0).unwrap());
            let mut states: Vec<_> = states.collect();
            let mut losses = start.clone();
            for k in [1, 2, 4] {
                for iteration in 1..=k {
                    for (row, loss) in losses.iter_mut().enumerate() {
                        *loss = climb(&mut random, row, *loss);
                    }
                    let checkpoint = (iteration == k).then_some(k);
                    let tracked = naive.iter_mut().zip(&losses);
                    let rows: Vec<_> = tracked
                        .map(|(row, &loss)| row.track(loss, checkpoint.is_some()))
                        .collect();
                    let [improved, left, restart] =
                        [0, 1, 2].map(|mask| rows.iter().map(|row| row[mask]).collect::<Vec<_>>());
                    let alpha: Vec<_> = naive.iter().map(Naive::alpha).collect();
                    restart
                        .iter()
                        .for_each(|&halved| seen[halved as usize] += 1);
                    for (device, state) in devices.iter().zip(&mut states) {
                        let masks =
                            apgd_track(&column(device, &losses), state, checkpoint).unwrap();
                        assert_eq!(state.improved.to_vec().unwrap(), improved, "{device:?}");
                        assert_eq!(masks.left.to_vec().unwrap(), left, "{device:?}");
                        assert_eq!(masks.restart.to_vec().unwrap(), restart, "{device:?}");
                        assert_eq!(state.alpha.to_vec().unwrap(), alpha, "{device:?}");
                    }
                }
            }
        }
        assert!(seen.iter().all(|&times| times > 1000), "{seen:?}");
    }

    /// (losses from the start on, of which a checkpoint ends each second; what is halved there)
    #[test]
    fn table() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let table: [(&str, [f32; 7], [u32; 3]); 7] = [
            (
                "rises always",
                [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                [0, 0, 0],
            ),
            (
                "rises once in two",
                [0.0, 1.0, 0.5, 2.0, 1.0, 3.0, 4.0],
                [1, 1, 0],
            ),
            (
                "rises below the best",
                [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                [1, 0, 1],
            ),
            (
                "a halved step is excused once",
                [2.0, 0.0, 1.0, 1.1, 1.2, 1.3, 1.4],
                [1, 0, 1],
            ),
            (
                "never above the start",
                [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
                [1, 1, 1],
            ),
            (
                "broken losses are no rises",
                [0.0, inf, nan, 1.0, inf, 2.0, 3.0],
                [1, 1, 0],
            ),
            (
                "a broken start is below all",
                [nan, 1.0, 2.0, 3.0, 4.0, nan, 5.0],
                [0, 0, 1],
            ),
        ];
        for device in testing::devices() {
            let losses = |i: usize| {
                let column = table.iter().map(|(_, losses, _)| losses[i]).collect();
                Array::from_vec(&device, table.len(), 1, column).unwrap()
            };
            let mut state = ApgdState::new(&device, &losses(0), 8.0).unwrap();
            for checkpoint in 0..3 {
                apgd_track(&losses(2 * checkpoint + 1), &mut state, None).unwrap();
                let now = losses(2 * checkpoint + 2);
                let before = state.alpha.to_vec().unwrap();
                apgd_track(&now, &mut state, Some(2)).unwrap();
                let alpha = state.alpha.to_vec().unwrap();
                for ((what, _, halved), (before, alpha)) in
                    table.iter().zip(before.iter().zip(alpha))
                {
                    let expected = if halved[checkpoint] == 1 {
                        before / 2.0
                    } else {
                        *before
                    };
                    assert_eq!(alpha, expected, "{what}, {checkpoint} on {device:?}");
                }
            }
        }
    }

    #[test]
    fn a_gathered_state_goes_on_as_before() {
        for device in testing::devices() {
            let column =
                |data: &[f32]| Array::from_vec(&device, data.len(), 1, data.to_vec()).unwrap();
            let mut state = ApgdState::new(&device, &column(&[0.0, 1.0, 2.0]), 4.0).unwrap();
            apgd_track(&column(&[1.0, 0.0, 3.0]), &mut state, Some(1)).unwrap();
            let rows = Array::from_vec(&device, 2, 1, vec![2, 1]).unwrap();
            let mut state = state.gather(&rows).unwrap();
            assert_eq!(state.alpha.to_vec().unwrap(), [4.0, 2.0]);
            let masks = apgd_track(&column(&[3.5, 0.5]), &mut state, Some(1)).unwrap();
            assert_eq!(state.improved.to_vec().unwrap(), [1, 0]);
            assert_eq!(masks.left.to_vec().unwrap(), [0, 0]);
            assert_eq!(masks.restart.to_vec().unwrap(), [0, 0]);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        for device in testing::devices() {
            let array = |rows, cols| Array::zeros(&device, rows, cols).unwrap();
            assert!(ApgdState::new(&device, &array(3, 2), 1.0).is_err());
            let mut state = ApgdState::new(&device, &array(3, 1), 1.0).unwrap();
            assert!(apgd_track(&array(2, 1), &mut state, None).is_err());
            assert!(apgd_track(&array(3, 2), &mut state, None).is_err());
        }
    }
}
