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
    checkpoint: u32,
    few_rises: u32,
}

/// What APGD remembers of each row. All arrays are n x 1.
#[derive(Debug)]
pub struct ApgdState {
    /// The loss of the last iteration.
    previous: Array,
    /// The best loss so far.
    best: Array,
    /// What the best loss must exceed at the next checkpoint by rule 2. Any loss exceeds the lowest
    /// number, which stands here as long as the rule does not apply.
    bar: Array,
    /// In how many iterations since the last checkpoint the loss rose.
    rises: Array<u32>,
    /// The step size, absolute: what [`apgd_step`](fn@crate::apgd_step) takes.
    pub alpha: Array,
}

/// What the caller does next; n x 1 each.
#[derive(Debug)]
pub struct ApgdMasks {
    /// Where this is the best point so far: keep it, and its gradient.
    pub improved: Array<u32>,
    /// Where to go on from the best point and its gradient.
    pub restart: Array<u32>,
}

impl ApgdState {
    /// Before the first step: `loss0` (n x 1) is the loss of the starting points, `alpha0` the
    /// first step size (2 eps in the paper).
    pub fn new(device: &Device, loss0: &Array, alpha0: f32) -> Result<Self, Error> {
        let rows = loss0.rows();
        loss0.expect_shape(KERNEL, "loss0", rows, 1)?;
        if loss0.device() != *device {
            return Err(Error::DeviceMismatch { kernel: KERNEL });
        }
        Ok(ApgdState {
            previous: loss0.copy()?,
            best: loss0.copy()?,
            bar: Array::filled(device, rows, 1, f32::MIN)?,
            rises: Array::zeros(device, rows, 1)?,
            alpha: Array::filled(device, rows, 1, alpha0)?,
        })
    }

    /// The state of `rows` (m x 1) only, in their order.
    pub fn gather(&self, rows: &Array<u32>) -> Result<Self, Error> {
        Ok(ApgdState {
            previous: gather(&self.previous, rows)?,
            best: gather(&self.best, rows)?,
            bar: gather(&self.bar, rows)?,
            rises: gather(&self.rises, rows)?,
            alpha: gather(&self.alpha, rows)?,
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
    let rows = loss.rows();
    loss.expect_shape(KERNEL, "loss", rows, 1)?;
    state.alpha.expect_shape(KERNEL, "state", rows, 1)?;
    let device = loss.device();
    let mut masks = ApgdMasks {
        improved: Array::uninit(&device, rows, 1)?,
        restart: Array::uninit(&device, rows, 1)?,
    };
    // The whole numbers up to 0.75 k.
    let few_rises = checkpoint.map(|k| k - k.div_ceil(4));
    match device {
        Device::Cpu => on_cpu(loss, state, few_rises, &mut masks)?,
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                checkpoint: u32::from(few_rises.is_some()),
                few_rises: few_rises.unwrap_or_default(),
            };
            let arrays = [
                loss.buffer(KERNEL, &gpu)?,
                state.previous.buffer(KERNEL, &gpu)?,
                state.best.buffer(KERNEL, &gpu)?,
                state.bar.buffer(KERNEL, &gpu)?,
                state.rises.buffer(KERNEL, &gpu)?,
                state.alpha.buffer(KERNEL, &gpu)?,
                masks.improved.buffer(KERNEL, &gpu)?,
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
    few_rises: Option<u32>,
    masks: &mut ApgdMasks,
) -> Result<(), Error> {
    let previous = state.previous.host_mut(KERNEL)?;
    let best = state.best.host_mut(KERNEL)?;
    let bar = state.bar.host_mut(KERNEL)?;
    let rises = state.rises.host_mut(KERNEL)?;
    let alpha = state.alpha.host_mut(KERNEL)?;
    let improved = masks.improved.host_mut(KERNEL)?;
    let restart = masks.restart.host_mut(KERNEL)?;
    for (row, &now) in loss.host(KERNEL)?.iter().enumerate() {
        rises[row] += u32::from(above(now, previous[row]));
        previous[row] = now;
        improved[row] = u32::from(above(now, best[row]));
        if improved[row] == 1 {
            best[row] = now;
        }
        restart[row] = 0;
        if let Some(few) = few_rises {
            let halve = rises[row] <= few || !above(best[row], bar[row]);
            restart[row] = u32::from(halve);
            alpha[row] *= if halve { 0.5 } else { 1.0 };
            bar[row] = if halve { f32::MIN } else { best[row] };
            rises[row] = 0;
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

        /// Takes in a loss; (improved, restart).
        fn track(&mut self, loss: f32, checkpoint: bool) -> (u32, u32) {
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
            (u32::from(loss > best), u32::from(restart))
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
                    let (improved, restart): (Vec<_>, Vec<_>) = tracked
                        .map(|(row, &l)| row.track(l, checkpoint.is_some()))
                        .unzip();
                    let alpha: Vec<_> = naive.iter().map(Naive::alpha).collect();
                    restart
                        .iter()
                        .for_each(|&halved| seen[halved as usize] += 1);
                    for (device, state) in devices.iter().zip(&mut states) {
                        let masks =
                            apgd_track(&column(device, &losses), state, checkpoint).unwrap();
                        assert_eq!(masks.improved.to_vec().unwrap(), improved, "{device:?}");
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
                let masks = apgd_track(&now, &mut state, Some(2)).unwrap();
                let restart = masks.restart.to_vec().unwrap();
                for ((what, _, halved), restart) in table.iter().zip(restart) {
                    assert_eq!(
                        restart, halved[checkpoint],
                        "{what}, {checkpoint} on {device:?}"
                    );
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
            assert_eq!(masks.improved.to_vec().unwrap(), [1, 0]);
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
