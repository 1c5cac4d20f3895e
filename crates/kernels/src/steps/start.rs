//! A random start in the ball, the same for a sample in whatever batch and on every device.
//!
//! - Linf: uniform in `[-eps, eps]` per element; on the surface, divided by the sample's largest
//!   magnitude so that `max |x - x0| = eps` (the start of AutoAttack, Croce and Hein 2020).
//! - L2: a uniform direction (normal numbers over their norm) with radius `eps * u^(1/d)`, which is
//!   uniform in the ball; on the surface, radius `eps`.
//!
//! - L1: the projection of a normal vector of length `sqrt(d)` to the ball cut with the range, which
//!   has few elements that are not 0 and lies on the surface (Croce and Hein 2021).
//!
//! All is clipped to the input range. Numbers are [`philox4x32`] at the counter
//! (element / 4, sample id, stream, 0), and (0, sample id, stream, 1) for the radius; the key is
//! the seed.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::normal::{UNIT_STEP, normals, precise_ln};
use crate::philox::{self, philox4x32, unit};
use crate::wide::{l2_norm, largest, wide};
use crate::{Array, Ball, Device, Error, Norm, project_l1};

const LINF: Shader = shader!("start_linf", needs "philox", needs "reduce");
const L2: Shader = shader!("start_l2", needs "philox", needs "normal", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    key: [u32; 2],
    stream: u32,
    surface: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

/// A start for each row of `x0` (n x d) with its sample id (n x 1). `stream` tells restarts, and
/// other users of one seed, apart.
pub fn start(
    x0: &Array,
    ids: &Array<u32>,
    ball: &Ball,
    seed: u64,
    stream: u32,
    surface: bool,
) -> Result<Array, Error> {
    let (rows, cols) = (x0.rows(), x0.cols());
    ball.expect_convex("start")?;
    ids.expect_shape("start", "ids", rows, 1)?;
    let device = x0.device();
    if ball.norm == Norm::L1 {
        return start_l1(x0, ids, ball, seed, stream);
    }
    let mut started = Array::uninit(&device, rows, cols)?;
    if started.is_empty() {
        return Ok(started);
    }
    let key = philox::key(seed);
    match &device {
        Device::Cpu => {
            let (x0, ids) = (x0.host("start")?.par_chunks(cols), ids.host("start")?);
            let started = started.host_mut("start")?.par_chunks_mut(cols);
            started.zip(x0).zip(ids).for_each(|((x, x0), &sample)| {
                let draw = Draw {
                    key,
                    sample,
                    stream,
                };
                draw.row(x, x0, ball, surface);
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                key,
                stream,
                surface: u32::from(surface),
                eps: ball.eps,
                lo: ball.lo,
                hi: ball.hi,
            };
            let arrays = [
                x0.buffer("start", gpu)?,
                ids.buffer("start", gpu)?,
                started.buffer("start", gpu)?,
            ];
            let shader = match ball.norm {
                Norm::Linf => &LINF,
                _ => &L2,
            };
            launch(gpu, shader, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(started)
}

fn start_l1(
    x0: &Array,
    ids: &Array<u32>,
    ball: &Ball,
    seed: u64,
    stream: u32,
) -> Result<Array, Error> {
    let everywhere = Ball {
        norm: Norm::L2,
        eps: (x0.cols() as f32).sqrt(),
        lo: f32::MIN,
        hi: f32::MAX,
    };
    let mut started = start(x0, ids, &everywhere, seed, stream, true)?;
    let radius = Array::filled(&x0.device(), x0.rows(), 1, ball.eps)?;
    project_l1(&mut started, x0, &radius, ball)?;
    Ok(started)
}

/// One sample's numbers; each norm writes its perturbation.
struct Draw {
    key: [u32; 2],
    sample: u32,
    stream: u32,
}

impl Draw {
    fn row(&self, x: &mut [f32], x0: &[f32], ball: &Ball, surface: bool) {
        let Ball { norm, eps, lo, hi } = *ball;
        wide(
            #[inline(always)]
            || match norm {
                Norm::Linf => self.linf(x, eps, surface),
                _ => self.l2(x, eps, surface),
            },
        );
        for (x, x0) in x.iter_mut().zip(x0) {
            *x = (x0 + *x).max(lo).min(hi);
        }
    }

    fn words(&self, block: usize, purpose: u32) -> [u32; 4] {
        philox4x32([block as u32, self.sample, self.stream, purpose], self.key)
    }

    #[inline(always)]
    fn fill(&self, delta: &mut [f32], numbers: impl Fn([u32; 4]) -> [f32; 4]) {
        philox::fill(delta, [self.sample, self.stream, 0], self.key, numbers);
    }

    #[inline(always)]
    fn linf(&self, delta: &mut [f32], eps: f32, surface: bool) {
        self.fill(delta, |words| words.map(|word| 2.0 * unit(word) - 1.0));
        let farthest = largest(delta);
        let reach = if surface && farthest > 0.0 {
            farthest
        } else {
            1.0
        };
        delta.iter_mut().for_each(|t| *t = eps * (*t / reach));
    }

    #[inline(always)]
    fn l2(&self, delta: &mut [f32], eps: f32, surface: bool) {
        self.fill(delta, normals);
        let norm = l2_norm(delta);
        let scale = if norm > 0.0 {
            self.radius(delta.len(), eps, surface) / norm
        } else {
            0.0
        };
        delta.iter_mut().for_each(|z| *z *= scale);
    }

    fn radius(&self, cols: usize, eps: f32, surface: bool) -> f32 {
        if surface {
            return eps;
        }
        let u = unit(self.words(0, 1)[0]) + UNIT_STEP;
        eps * (precise_ln(u) / cols as f32).exp().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

    fn run(device: &Device, x0: &[f32], ids: &[u32], ball: &Ball, surface: bool) -> Vec<f32> {
        let (rows, cols) = (ids.len(), x0.len() / ids.len());
        let x0 = Array::from_vec(device, rows, cols, x0.to_vec()).unwrap();
        let ids = Array::from_vec(device, rows, 1, ids.to_vec()).unwrap();
        start(&x0, &ids, ball, 0x0123_4567_89ab_cdef, 5, surface)
            .unwrap()
            .to_vec()
            .unwrap()
    }

    /// A ball that the input range does not cut.
    fn open(norm: Norm, eps: f32) -> Ball {
        Ball {
            norm,
            eps,
            lo: f32::MIN,
            hi: f32::MAX,
        }
    }

    #[test]
    fn the_shaders_agree_with_the_twins() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(21);
        for (case, (rows, cols)) in testing::shapes(22).into_iter().enumerate() {
            let norm = NORMS[case % 3];
            let x0 = random.floats(rows * cols, 0.0, 1.0);
            let ids: Vec<u32> = (0..rows).map(|_| random.word()).collect();
            let ball = Ball {
                norm,
                eps: random.within(0.01, 2.0),
                lo: 0.0,
                hi: 1.0,
            };
            for surface in [false, true] {
                let got = run(&gpu, &x0, &ids, &ball, surface);
                let expected = run(&Device::Cpu, &x0, &ids, &ball, surface);
                let what = format!("{norm}, {rows} x {cols}, surface {surface}");
                assert_close(&what, &got, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn starts_lie_in_the_ball_or_on_its_surface() {
        let mut random = Random::new(23);
        for cols in [1, 2, 5, 64, 784] {
            let ids: Vec<u32> = (0..50).map(|_| random.word()).collect();
            let zero = vec![0.0; 50 * cols];
            for norm in NORMS {
                for surface in [false, true] {
                    let x = run(&Device::Cpu, &zero, &ids, &open(norm, 0.3), surface);
                    for row in x.chunks(cols) {
                        let size = match norm {
                            Norm::Linf => row.iter().fold(0.0_f32, |m, v| m.max(v.abs())),
                            Norm::L2 => l2_norm(row),
                            _ => row.iter().map(|v| v.abs()).sum(),
                        };
                        assert!(size <= 0.3 * 1.000_001, "{norm} {cols}: {size}");
                        assert!(!surface || size >= 0.3 * 0.999_99, "{norm} {cols}: {size}");
                    }
                }
            }
        }
    }

    /// radius^d, and (1 + t) / 2 of each Linf element, are uniform: mean 1/2, variance 1/12.
    #[test]
    fn starts_are_uniform_in_the_ball() {
        let rows = 20_000;
        let ids: Vec<u32> = (0..rows).collect();
        for cols in [1, 3] {
            let zero = vec![0.0; rows as usize * cols];
            let linf = run(&Device::Cpu, &zero, &ids, &open(Norm::Linf, 1.0), false);
            let l2 = run(&Device::Cpu, &zero, &ids, &open(Norm::L2, 1.0), false);
            let radius = |row: &[f32]| l2_norm(row).powi(cols as i32);
            assert_uniform(linf.iter().map(|t| (1.0 + t) / 2.0));
            assert_uniform(l2.chunks(cols).map(radius));
            let first = l2.chunks(cols).map(|row| f64::from(row[0]));
            assert!(
                (first.sum::<f64>() / f64::from(rows)).abs() < 0.03,
                "the direction leans"
            );
        }
    }

    fn assert_uniform(values: impl Iterator<Item = f32>) {
        let values: Vec<f64> = values.map(f64::from).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * n).sqrt(), "mean {mean}");
        assert!(
            (variance * 12.0 - 1.0).abs() < 5.0 * (0.8 / n).sqrt(),
            "variance {variance}"
        );
    }

    #[test]
    fn a_sample_starts_alike_in_any_batch_and_differently_elsewhere() {
        let x0 = vec![0.5; 3 * 10];
        for device in testing::devices() {
            for norm in NORMS {
                let ball = Ball {
                    norm,
                    eps: 0.1,
                    lo: 0.0,
                    hi: 1.0,
                };
                let batch = run(&device, &x0, &[7, 8, 9], &ball, false);
                let alone = run(&device, &x0[..10], &[9], &ball, false);
                assert_eq!(batch[20..], alone, "{device:?}");
                assert_ne!(batch[..10], batch[10..20]);

                let one = Array::from_vec(&device, 1, 10, vec![0.5; 10]).unwrap();
                let ids = Array::from_vec(&device, 1, 1, vec![9]).unwrap();
                for (seed, stream) in [(1, 5), (0x0123_4567_89ab_cdef, 6), (1 << 32, 5)] {
                    let other = start(&one, &ids, &ball, seed, stream, false).unwrap();
                    assert_ne!(other.to_vec().unwrap(), alone, "{seed} {stream}");
                }
            }
        }
    }

    #[test]
    fn there_is_one_id_a_row() {
        let x0 = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let ids = Array::zeros(&Device::Cpu, 3, 1).unwrap();
        let started = start(&x0, &ids, &open(Norm::Linf, 0.1), 0, 0, false);
        assert!(matches!(started, Err(Error::Shape { .. })));
    }
}
