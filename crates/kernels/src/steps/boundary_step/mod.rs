//! The step of Brendel and Bethge's attack (2019, <https://arxiv.org/abs/1907.01003>): along a decision boundary, taken as
//! linear, to the point nearest to the clean sample.
//!
//! With `d = x0 - x` it seeks the move `m` that makes `|d - m|` least, subject to `b . m = c`, `|m|_2 <= r`, and the input
//! range. For a multiplier `lambda` of the boundary and one of the radius, the least element by element is
//! - L2: `s d + lambda b`,
//! - L1: `d` moved into `[lambda b - t, lambda b + t]`,
//! - L0: `d` where that costs no more than t, `(d - lambda b)^2 - (z - lambda b)^2 < 2 t`, else the z nearest to `lambda b`;
//!   as `b . m` jumps where elements change sides, lambda is sought again for the elements once they are chosen,
//! - Linf: `lambda b` moved into `[d - t, d + t]`,
//!
//! each moved into the range. `b . m` rises with lambda, and `|m|_2` with the share s that says how much `d` counts: t is
//! `s / (1 - s)` in units of what the shortest move, s = 0, leaves of `|d - m|` at most, in Linf `1 - s`. So there are two nested
//! searches, of which the outer one takes the largest s that the radius allows. Where even the shortest move does not reach the
//! boundary, the move goes as far towards it as it may.

mod solve;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::wide;
use crate::{Array, Ball, Device, Error, Norm};

const KERNEL: &str = "boundary_step";
const SHADER: Shader = shader!("boundary_step", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    lo: f32,
    hi: f32,
    radius: f32,
}

/// Moves `x` (n x d) by L2 length `radius` at most, given the clean `x0` (n x d), and of the boundary at `x` the `normal` b
/// (n x d) and the `gap` c (n x 1) that it should be crossed by. Of the ball the norm and the range count, not eps. A row
/// whose normal is zero, reaches beyond 2^100, or holds Inf or NaN, does not move.
pub fn boundary_step(
    x: &mut Array,
    x0: &Array,
    normal: &Array,
    gap: &Array,
    radius: f32,
    ball: &Ball,
) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    ball.expect_elementwise(KERNEL)?;
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    normal.expect_shape(KERNEL, "normal", rows, cols)?;
    gap.expect_shape(KERNEL, "gap", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let (x0, normal) = (x0.host(KERNEL)?, normal.host(KERNEL)?);
            let gap = gap.host(KERNEL)?;
            x.host_mut(KERNEL)?
                .par_chunks_mut(cols)
                .zip(x0.par_chunks(cols))
                .zip(normal.par_chunks(cols))
                .zip(gap)
                .for_each(|(((x, x0), normal), &gap)| {
                    wide(|| solve::row(x, x0, normal, gap, radius, ball));
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                norm: match ball.norm {
                    Norm::Linf => 0,
                    Norm::L2 => 1,
                    Norm::L1 => 2,
                    _ => 3,
                },
                lo: ball.lo,
                hi: ball.hi,
                radius,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                normal.buffer(KERNEL, &gpu)?,
                gap.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}
