//! Flows of mass between the neighbouring pixels of images: what changes by them stays in the image.
//!
//! A flow is n x 2d for images of n x d: first what goes from each pixel to the one on its right, then what goes from each to
//! the one below, below 0 where it goes the other way. Where there is no such pixel it is 0.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Ball, Device, Error, Image};

const GAINS: Shader = shader!("flow_gains", needs "flow");
const POUR: Shader = shader!("flow_pour", needs "flow");
const CARRY: Shader = shader!("flow_carry", needs "flow");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    pixels: u32,
    height: u32,
    width: u32,
    lo: f32,
    hi: f32,
}

impl Params {
    fn of(x: &Array, image: Image, ball: &Ball) -> Self {
        Self {
            rows: x.rows() as u32,
            pixels: x.cols() as u32,
            height: image.height as u32,
            width: image.width as u32,
            lo: ball.lo,
            hi: ball.hi,
        }
    }
}

/// What a unit of mass would gain along each edge: the difference of the `gradient` (n x d) between its ends, and 0 where no
/// mass can go the way that gains, because at `x` (n x d) one end is at the limit of the range of `ball`, of which only that
/// counts. Gains that are not finite are 0.
pub fn flow_gains(gradient: &Array, x: &Array, image: Image, ball: &Ball) -> Result<Array, Error> {
    const KERNEL: &str = "flow_gains";
    let (rows, cols, device) = (x.rows(), x.cols(), x.device());
    x.expect_shape(KERNEL, "x", rows, image.channels * image.plane())?;
    gradient.expect_shape(KERNEL, "gradient", rows, cols)?;
    let mut gains = Array::uninit(&device, rows, 2 * cols)?;
    if x.is_empty() {
        return Ok(gains);
    }
    match &device {
        Device::Cpu => {
            let (x, gradient) = (x.host(KERNEL)?, gradient.host(KERNEL)?);
            let gains = gains.host_mut(KERNEL)?.par_chunks_mut(2 * cols);
            let rows = gains.zip(x.par_chunks(cols)).zip(gradient.par_chunks(cols));
            let rows = rows.with_min_len(row_grain(cols));
            rows.for_each(|((gains, x), gradient)| {
                gains.fill(0.0);
                edges(image, |edge, here, there| {
                    let gain = gradient[there] - gradient[here];
                    let (source, sink) = along(gain, here, there);
                    if gain.is_finite() && x[source] > ball.lo && x[sink] < ball.hi {
                        gains[edge] = gain;
                    }
                });
            });
        }
        Device::Gpu(gpu) => {
            let arrays = [
                gradient.buffer(KERNEL, gpu)?,
                x.buffer(KERNEL, gpu)?,
                gains.buffer(KERNEL, gpu)?,
            ];
            let params = Params::of(x, image, ball);
            launch(
                gpu,
                &GAINS,
                &params,
                &arrays,
                Grid::Threads(rows * 2 * cols),
            )?;
        }
    }
    Ok(gains)
}

/// Adds `step` to `flow` (both n x 2d), each edge's by as much as the pixel that it leaves has above the lower end of the
/// range of `ball` and the one that it enters below the upper, at `x` (n x d): a share of what all edges want of that pixel,
/// so that none can leave the range (the flux limiter of Zalesak 1979).
pub fn flow_pour(
    flow: &mut Array,
    step: &Array,
    x: &Array,
    image: Image,
    ball: &Ball,
) -> Result<(), Error> {
    const KERNEL: &str = "flow_pour";
    let (rows, cols) = (x.rows(), x.cols());
    x.expect_shape(KERNEL, "x", rows, image.channels * image.plane())?;
    flow.expect_shape(KERNEL, "flow", rows, 2 * cols)?;
    step.expect_shape(KERNEL, "step", rows, 2 * cols)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let (x, step) = (x.host(KERNEL)?, step.host(KERNEL)?);
            let flow = flow.host_mut(KERNEL)?.par_chunks_mut(2 * cols);
            let rows = flow.zip(step.par_chunks(2 * cols)).zip(x.par_chunks(cols));
            let rows = rows.with_min_len(row_grain(cols));
            rows.for_each_init(Vec::new, |wanted, ((flow, step), x)| {
                pour(flow, step, x, image, ball, wanted)
            });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let arrays = [
                flow.buffer(KERNEL, &gpu)?,
                step.buffer(KERNEL, &gpu)?,
                x.buffer(KERNEL, &gpu)?,
            ];
            let params = Params::of(x, image, ball);
            launch(
                &gpu,
                &POUR,
                &params,
                &arrays,
                Grid::Threads(rows * 2 * cols),
            )
        }
    }
}

/// `wanted` is room for what is to leave and to enter each pixel.
fn pour(
    flow: &mut [f32],
    step: &[f32],
    x: &[f32],
    image: Image,
    ball: &Ball,
    wanted: &mut Vec<[f32; 2]>,
) {
    wanted.clear();
    wanted.resize(x.len(), [0.0; 2]);
    edges(image, |edge, here, there| {
        let (source, sink) = along(step[edge], here, there);
        wanted[source][0] += step[edge].abs();
        wanted[sink][1] += step[edge].abs();
    });
    for (wanted, &x) in wanted.iter_mut().zip(x) {
        *wanted = [share(x - ball.lo, wanted[0]), share(ball.hi - x, wanted[1])];
    }
    edges(image, |edge, here, there| {
        let (source, sink) = along(step[edge], here, there);
        flow[edge] += wanted[source][0].min(wanted[sink][1]) * step[edge];
    });
}

/// How much of what is wanted there is.
fn share(has: f32, wanted: f32) -> f32 {
    if wanted > has {
        (has / wanted).max(0.0)
    } else {
        1.0
    }
}

/// The images that `flow` (n x 2d) makes of `x0` (n x d), in the range of `ball`, of which only that counts.
pub fn flow_carry(x0: &Array, flow: &Array, image: Image, ball: &Ball) -> Result<Array, Error> {
    const KERNEL: &str = "flow_carry";
    let (rows, cols, device) = (x0.rows(), x0.cols(), x0.device());
    x0.expect_shape(KERNEL, "x0", rows, image.channels * image.plane())?;
    flow.expect_shape(KERNEL, "flow", rows, 2 * cols)?;
    let mut x = Array::uninit(&device, rows, cols)?;
    if x.is_empty() {
        return Ok(x);
    }
    match &device {
        Device::Cpu => {
            let (x0, flow) = (x0.host(KERNEL)?, flow.host(KERNEL)?);
            let out = x.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = out.zip(x0.par_chunks(cols)).zip(flow.par_chunks(2 * cols));
            let rows = rows.with_min_len(row_grain(cols));
            rows.for_each(|((x, x0), flow)| {
                x.copy_from_slice(x0);
                edges(image, |edge, here, there| {
                    x[here] -= flow[edge];
                    x[there] += flow[edge];
                });
                x.iter_mut().for_each(|v| *v = v.max(ball.lo).min(ball.hi));
            });
        }
        Device::Gpu(gpu) => {
            let arrays = [
                x0.buffer(KERNEL, gpu)?,
                flow.buffer(KERNEL, gpu)?,
                x.buffer(KERNEL, gpu)?,
            ];
            let params = Params::of(x0, image, ball);
            launch(gpu, &CARRY, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(x)
}

/// Calls `visit` with each edge of an image and the pixels that it joins.
fn edges(image: Image, mut visit: impl FnMut(usize, usize, usize)) {
    let Image {
        channels,
        height,
        width,
    } = image;
    let pixels = channels * height * width;
    for line in 0..channels * height {
        let first = line * width;
        (first..first + width - 1).for_each(|pixel| visit(pixel, pixel, pixel + 1));
        if !(line + 1).is_multiple_of(height) {
            (first..first + width).for_each(|pixel| visit(pixels + pixel, pixel, pixel + width));
        }
    }
}

/// Where what goes from `here` to `there`, or back if it is below 0, leaves and enters.
fn along(amount: f32, here: usize, there: usize) -> (usize, usize) {
    if amount > 0.0 {
        (here, there)
    } else {
        (there, here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::testing::{self, Random, assert_close};

    const UNIT: Ball = Ball {
        norm: Norm::Wasserstein,
        eps: 1.0,
        lo: 0.0,
        hi: 1.0,
    };

    /// A shape, so many images of it with empty and full pixels, and flows between them.
    struct Case {
        image: Image,
        rows: usize,
        x: Vec<f32>,
        flow: Vec<f32>,
    }

    impl Case {
        fn random(random: &mut Random) -> Self {
            let image = Image {
                channels: 1 + random.below(3),
                height: 1 + random.below(12),
                width: 1 + random.below(12),
            };
            let rows = 1 + random.below(5);
            let cols = image.channels * image.plane();
            let x = random.floats(rows * cols, -0.5, 1.5);
            let mut flow = vec![0.0; rows * 2 * cols];
            for flow in flow.chunks_mut(2 * cols) {
                edges(image, |edge, _, _| flow[edge] = random.within(-0.5, 0.5));
            }
            let x = x.iter().map(|v| v.clamp(0.0, 1.0)).collect();
            Self {
                image,
                rows,
                x,
                flow,
            }
        }

        fn array(&self, device: &Device, values: &[f32]) -> Array {
            let cols = values.len() / self.rows;
            Array::from_vec(device, self.rows, cols, values.to_vec()).unwrap()
        }

        fn carried(&self, device: &Device, flow: &[f32], ball: &Ball) -> Vec<f32> {
            let (x, flow) = (self.array(device, &self.x), self.array(device, flow));
            let carried = flow_carry(&x, &flow, self.image, ball);
            carried.unwrap().to_vec().unwrap()
        }

        fn gains(&self, device: &Device, gradient: &[f32], ball: &Ball) -> Vec<f32> {
            let (x, gradient) = (self.array(device, &self.x), self.array(device, gradient));
            let gains = flow_gains(&gradient, &x, self.image, ball);
            gains.unwrap().to_vec().unwrap()
        }

        fn poured(&self, device: &Device) -> Vec<f32> {
            let (x, step) = (self.array(device, &self.x), self.array(device, &self.flow));
            let mut flow = Array::zeros(device, self.rows, step.cols()).unwrap();
            flow_pour(&mut flow, &step, &x, self.image, &UNIT).unwrap();
            flow.to_vec().unwrap()
        }
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    fn sum(row: &[f32]) -> f64 {
        row.iter().map(|&v| f64::from(v)).sum()
    }

    /// What a flow gains is what the images that it makes gain.
    #[test]
    fn gains_are_the_adjoint_of_what_is_carried() {
        let mut random = Random::new(41);
        let wide = Ball {
            lo: -9.0,
            hi: 9.0,
            ..UNIT
        };
        for _ in 0..100 {
            let case = Case::random(&mut random);
            let gradient = random.floats(case.x.len(), -1.0, 1.0);
            for device in testing::devices() {
                let x = case.carried(&device, &case.flow, &wide);
                let moved: Vec<f32> = x.iter().zip(&case.x).map(|(x, x0)| x - x0).collect();
                let gains = case.gains(&device, &gradient, &wide);
                let (along, of_images) = (dot(&gains, &case.flow), dot(&gradient, &moved));
                assert!((along - of_images).abs() < 1e-4, "{along} {of_images}");
            }
        }
    }

    #[test]
    fn what_is_poured_keeps_every_pixel_in_range_and_all_mass() {
        let mut random = Random::new(42);
        for _ in 0..200 {
            let case = Case::random(&mut random);
            let wide = Ball {
                lo: -9.0,
                hi: 9.0,
                ..UNIT
            };
            let cols = case.x.len() / case.rows;
            for device in testing::devices() {
                let flow = case.poured(&device);
                for (got, wanted) in flow.iter().zip(&case.flow) {
                    assert!((0.0..=1.0).contains(&(got / wanted)) || *wanted == 0.0 && *got == 0.0);
                }
                let x = case.carried(&device, &flow, &wide);
                assert!(x.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v)), "{x:?}");
                for (after, before) in x.chunks(cols).zip(case.x.chunks(cols)) {
                    assert!((sum(after) - sum(before)).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn the_shaders_agree_with_the_twins() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(43);
        for _ in 0..200 {
            let case = Case::random(&mut random);
            let mut gradient = random.floats(case.x.len(), -1.0, 1.0);
            gradient[0] = [f32::NAN, f32::INFINITY, 0.0][random.below(3)];
            let what = format!("{:?}", case.image);
            let [a, b] = [&Device::Cpu, &gpu].map(|device| case.gains(device, &gradient, &UNIT));
            assert_eq!(a, b, "{what}");
            assert!(a.iter().all(|v| v.is_finite()));
            let [a, b] = [&Device::Cpu, &gpu].map(|device| case.poured(device));
            assert_close(&what, &b, &a, 1e-6);
            let [a, b] = [&Device::Cpu, &gpu].map(|d| case.carried(d, &case.flow, &UNIT));
            assert_close(&what, &b, &a, 1e-6);
        }
    }

    #[test]
    fn table() {
        let case = Case {
            image: Image {
                channels: 1,
                height: 2,
                width: 2,
            },
            rows: 1,
            x: vec![0.5, 1.0, 0.0, 0.25],
            flow: vec![0.25, 0.0, -0.125, 0.0, 0.5, 0.5, 0.0, 0.0],
        };
        for device in testing::devices() {
            // Nothing enters a full pixel, nothing leaves an empty one.
            let gains = case.gains(&device, &[0.0, 1.0, 3.0, 5.0], &UNIT);
            assert_eq!(gains, [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
            let back = case.gains(&device, &[0.0, -1.0, -3.0, -5.0], &UNIT);
            assert_eq!(back, [-1.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            // Of 0.25 + 0.5 wanted of the first pixel nothing can enter the second; all of the rest finds room.
            let poured = case.poured(&device);
            let share = 0.5 / 0.75;
            let expected = [0.0, 0.0, -0.125, 0.0, share * 0.5, 0.5, 0.0, 0.0];
            assert_close("poured", &poured, &expected, 1e-6);
            let x = case.carried(&device, &poured, &UNIT);
            let expected = [0.5 - share * 0.5, 0.5, share * 0.5 + 0.125, 0.625];
            assert_close("carried", &x, &expected, 1e-6);
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |cols| Array::<f32>::zeros(&Device::Cpu, 2, cols).unwrap();
        let image = Image {
            channels: 1,
            height: 2,
            width: 3,
        };
        assert!(flow_gains(&array(6), &array(6), image, &UNIT).is_ok());
        assert!(flow_gains(&array(5), &array(6), image, &UNIT).is_err());
        assert!(flow_carry(&array(6), &array(6), image, &UNIT).is_err());
        assert!(flow_pour(&mut array(12), &array(12), &array(7), image, &UNIT).is_err());
    }
}
