//! For attacks that roam outside the ball: an answer counts only where it was asked inside.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::l2_distance;
use crate::{Array, Ball, Device, Error, INVALID, Norm};

const KERNEL: &str = "within";
const SHADER: Shader = shader!("within", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    eps: f32,
}

/// `predicted` (n x 1) in the rows whose `x` lies within the ball's radius round `x0` (both n x d), [`INVALID`] in the
/// others. The input range is not looked at.
pub fn within(
    predicted: &Array<u32>,
    x: &Array,
    x0: &Array,
    ball: &Ball,
) -> Result<Array<u32>, Error> {
    let (rows, cols) = (x.rows(), x.cols());
    ball.expect_convex(KERNEL)?;
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    predicted.expect_shape(KERNEL, "predicted", rows, 1)?;
    let device = x.device();
    let mut inside = Array::uninit(&device, rows, 1)?;
    if x.is_empty() {
        return predicted.copy();
    }
    match &device {
        Device::Cpu => {
            let (x, x0) = (x.host(KERNEL)?, x0.host(KERNEL)?);
            let answers = predicted
                .host(KERNEL)?
                .par_iter()
                .zip(inside.host_mut(KERNEL)?);
            x.par_chunks(cols)
                .zip(x0.par_chunks(cols))
                .zip(answers)
                .for_each(|((x, x0), (&predicted, inside))| {
                    let is_inside = distance(x, x0, ball.norm) <= ball.eps;
                    *inside = if is_inside { predicted } else { INVALID };
                });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                norm: match ball.norm {
                    Norm::Linf => 0,
                    Norm::L2 => 1,
                    _ => 2,
                },
                eps: ball.eps,
            };
            let arrays = [
                predicted.buffer(KERNEL, gpu)?,
                x.buffer(KERNEL, gpu)?,
                x0.buffer(KERNEL, gpu)?,
                inside.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(inside)
}

/// NaN where an element is NaN.
fn distance(x: &[f32], x0: &[f32], norm: Norm) -> f32 {
    let moves = x.iter().zip(x0).map(|(x, x0)| x - x0);
    match norm {
        Norm::Linf => f32::from_bits(moves.map(|d| d.abs().to_bits()).max().unwrap_or(0)),
        Norm::L2 => l2_distance(x, x0),
        _ => moves.map(|d| f64::from(d.abs())).sum::<f64>() as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn run(device: &Device, x: &[f32], x0: &[f32], rows: usize, norm: Norm, eps: f32) -> Vec<u32> {
        let array =
            |data: &[f32]| Array::from_vec(device, rows, data.len() / rows, data.to_vec()).unwrap();
        let ball = Ball {
            norm,
            eps,
            lo: 0.0,
            hi: 1.0,
        };
        let predicted = Array::from_vec(device, rows, 1, (0..rows as u32).collect()).unwrap();
        let inside = within(&predicted, &array(x), &array(x0), &ball).unwrap();
        inside.to_vec().unwrap()
    }

    #[test]
    fn table() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let x = [0.5, 0.5, 0.25, 0.25, nan, 0.0, 0.0, inf, 0.0, -0.5];
        for device in testing::devices() {
            let inside = |norm, eps| run(&device, &x, &[0.0; 10], 5, norm, eps);
            let linf = [0, 1, INVALID, INVALID, 4];
            assert_eq!(inside(Norm::Linf, 0.5), linf);
            assert_eq!(inside(Norm::L2, 0.6), [INVALID, 1, INVALID, INVALID, 4]);
            assert_eq!(inside(Norm::L2, 0.8), linf);
            assert_eq!(inside(Norm::L1, 0.9), inside(Norm::L2, 0.6));
            assert_eq!(
                inside(Norm::Linf, 0.4),
                [INVALID, 1, INVALID, INVALID, INVALID]
            );
        }
    }

    #[test]
    fn every_device_measures_alike() {
        let mut random = Random::new(61);
        for (case, (rows, cols)) in testing::shapes(62).into_iter().enumerate() {
            let norm = [Norm::Linf, Norm::L2, Norm::L1][case % 3];
            let x0 = random.floats(rows * cols, 0.0, 1.0);
            let mut x = x0.clone();
            let eps = random.within(0.1, 1.0);
            let mut expected = Vec::new();
            for (row, x) in x.chunks_mut(cols).enumerate() {
                // Clearly inside or outside: eps itself is a matter of rounding.
                let share = [0.9, 1.1][random.below(2)];
                let length = match norm {
                    Norm::Linf => share * eps,
                    Norm::L2 => share * eps / (cols as f32).sqrt(),
                    _ => share * eps / cols as f32,
                };
                x.iter_mut().for_each(|x| {
                    *x += if random.below(2) == 0 {
                        length
                    } else {
                        -length
                    }
                });
                expected.push(if share < 1.0 { row as u32 } else { INVALID });
            }
            for device in testing::devices() {
                let what = format!("{norm} {rows} x {cols} on {device:?}");
                assert_eq!(run(&device, &x, &x0, rows, norm, eps), expected, "{what}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let array = |rows, cols| Array::zeros(&Device::Cpu, rows, cols).unwrap();
        let ball = Ball {
            norm: Norm::L2,
            eps: 1.0,
            lo: 0.0,
            hi: 1.0,
        };
        let run = |x0: (usize, usize), rows| {
            let predicted = Array::zeros(&Device::Cpu, rows, 1).unwrap();
            within(&predicted, &array(2, 3), &array(x0.0, x0.1), &ball)
        };
        assert!(run((2, 3), 2).is_ok());
        assert!(matches!(run((2, 4), 2), Err(Error::Shape { .. })));
        assert!(matches!(run((2, 3), 3), Err(Error::Shape { .. })));
    }
}
