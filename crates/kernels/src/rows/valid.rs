//! The valid sample nearest to a point, where samples are the rows of a table: numbers in ranges, in steps, and one-hot
//! groups of categories, of which some may not change, or only one way.
//!
//! Numbers go to the last step between the clean value and theirs, so that they never get farther from it. A group
//! takes the strongest category besides the clean one, if that is as strong. Within a ball, the groups that lead most
//! change as far as its radius allows (one that changes moves two elements by 1), and the moves of the numbers shrink
//! to what is left.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Ball, Device, Error, Norm};

const KERNEL: &str = "valid";
const SHADER: Shader = shader!("valid");

/// The element may be larger, or smaller, than in the clean sample.
pub const RISE: u32 = 1;
pub const FALL: u32 = 2;

/// What a step may miss for rounding: so much of one, and so much of all.
const BETWEEN: f32 = 1e-3;
const ROUNDING: f32 = 1.2e-7;

/// How much of what makes a sample valid is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The range of each element alone: what an attack's own steps are kept in.
    Box = 0,
    /// Steps and one-hot groups, too.
    Valid = 1,
    /// And within the ball.
    Inside = 2,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    depth: u32,
    norm: u32,
    eps: f32,
}

/// The valid samples (n x d) for the points `x` round the clean samples `x0`, both n x d and in [0, 1]. `elements`
/// (d x 3) has, for each element: how many steps its range has, 0 for any number; [`RISE`] and [`FALL`]; and how many
/// elements the one-hot group has that begins here, 1 for a number and 0 within a group.
pub fn valid(
    x: &Array,
    x0: &Array,
    elements: &Array<u32>,
    depth: Depth,
    ball: &Ball,
) -> Result<Array, Error> {
    let (rows, cols) = (x.rows(), x.cols());
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    elements.expect_shape(KERNEL, "elements", cols, 3)?;
    ball.expect_elementwise(KERNEL)?;
    let device = x.device();
    let mut out = Array::uninit(&device, rows, cols)?;
    if out.is_empty() {
        return Ok(out);
    }
    match &device {
        Device::Cpu => {
            let elements = elements.host(KERNEL)?;
            let pairs = x.host(KERNEL)?.par_chunks(cols);
            let pairs = pairs.zip(x0.host(KERNEL)?.par_chunks(cols));
            let outs = out.host_mut(KERNEL)?.par_chunks_mut(cols);
            pairs.zip(outs).for_each(|((x, x0), out)| {
                let row = Row { x, x0, elements };
                row.write(out, depth, ball);
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                depth: depth as u32,
                norm: match ball.norm {
                    Norm::Linf => 0,
                    Norm::L2 => 1,
                    Norm::L1 => 2,
                    _ => 3,
                },
                eps: ball.eps,
            };
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                x0.buffer(KERNEL, gpu)?,
                elements.buffer(KERNEL, gpu)?,
                out.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(out)
}

/// One sample on the CPU.
struct Row<'a> {
    x: &'a [f32],
    x0: &'a [f32],
    elements: &'a [u32],
}

/// A group whose strongest other category is as strong as the clean one.
struct Move {
    first: usize,
    other: usize,
    lead: f32,
}

impl Row<'_> {
    fn write(&self, out: &mut [f32], depth: Depth, ball: &Ball) {
        for (j, out) in out.iter_mut().enumerate() {
            *out = self.boxed(j);
        }
        if depth == Depth::Box {
            return;
        }
        let mut moves: Vec<Move> = self.groups().filter_map(|g| self.lead(g)).collect();
        if depth == Depth::Inside {
            moves.sort_by(|a, b| b.lead.total_cmp(&a.lead).then(a.first.cmp(&b.first)));
            moves.truncate(groups_within(ball));
        }
        for (first, length) in self.groups() {
            out[first..first + length].copy_from_slice(&self.x0[first..first + length]);
        }
        for change in &moves {
            let (first, length) = (change.first, self.elements[3 * change.first + 2] as usize);
            out[first..first + length].fill(0.0);
            out[change.other] = 1.0;
        }
        if depth == Depth::Inside {
            self.shrink(out, moves.len(), ball);
        }
        for j in self.numbers() {
            out[j] = stepped(out[j], self.x0[j], self.elements[3 * j]);
        }
    }

    /// The element within its range; what is not finite returns to the clean value.
    fn boxed(&self, j: usize) -> f32 {
        let (clean, may) = (self.x0[j], self.elements[3 * j + 1]);
        if !self.x[j].is_finite() {
            return clean;
        }
        let low = if may & FALL != 0 { 0.0 } else { clean };
        let high = if may & RISE != 0 { 1.0 } else { clean };
        self.x[j].max(low).min(high)
    }

    /// First element and length of each one-hot group.
    fn groups(&self) -> impl Iterator<Item = (usize, usize)> {
        let lengths = self.elements.chunks_exact(3).enumerate();
        let cols = self.x.len();
        let groups = lengths.map(move |(j, e)| (j, (e[2] as usize).min(cols - j)));
        groups.filter(|&(_, length)| length > 1)
    }

    fn numbers(&self) -> impl Iterator<Item = usize> {
        let lengths = self.elements.chunks_exact(3).enumerate();
        lengths.filter(|(_, e)| e[2] == 1).map(|(j, _)| j)
    }

    fn lead(&self, (first, length): (usize, usize)) -> Option<Move> {
        let group = first..first + length;
        let strongest = |values: &[f32], but: Option<usize>| {
            let mut best = None;
            for k in group.clone().filter(|&k| Some(k) != but) {
                if best.is_none_or(|best: usize| values[k] > values[best]) {
                    best = Some(k);
                }
            }
            best
        };
        let clean = strongest(self.x0, None)?;
        let other = strongest(self.x, Some(clean))?;
        let lead = self.x[other] - self.x[clean];
        let may = self.elements[3 * first + 1] != 0;
        (may && lead >= 0.0 && lead.is_finite()).then_some(Move { first, other, lead })
    }

    /// Brings the moves of the numbers to what `changed` groups leave of the ball.
    fn shrink(&self, out: &mut [f32], changed: usize, ball: &Ball) {
        let taken = 2.0 * changed as f32;
        let moved = |out: &[f32], j: usize| (out[j] - self.x0[j]).abs();
        let numbers: Vec<usize> = self.numbers().collect();
        let (length, room) = match ball.norm {
            Norm::Linf => {
                for &j in &numbers {
                    out[j] = out[j].max(self.x0[j] - ball.eps).min(self.x0[j] + ball.eps);
                }
                return;
            }
            Norm::L2 => {
                let squares: f32 = numbers.iter().map(|&j| moved(out, j).powi(2)).sum();
                let room = (ball.eps * ball.eps - taken).max(0.0);
                (squares.sqrt(), room.sqrt())
            }
            Norm::L1 => {
                let sum = numbers.iter().map(|&j| moved(out, j)).sum();
                (sum, (ball.eps - taken).max(0.0))
            }
            _ => {
                let mut largest: Vec<usize> = numbers;
                largest.retain(|&j| moved(out, j) > 0.0);
                largest.sort_by(|&a, &b| moved(out, b).total_cmp(&moved(out, a)).then(a.cmp(&b)));
                let room = (ball.eps - taken).max(0.0) as usize;
                largest.iter().skip(room).for_each(|&j| out[j] = self.x0[j]);
                return;
            }
        };
        if length > room {
            let shrink = room / length;
            for &j in &numbers {
                out[j] = self.x0[j] + (out[j] - self.x0[j]) * shrink;
            }
        }
    }
}

/// How many groups may leave their category within the ball.
fn groups_within(ball: &Ball) -> usize {
    let room = match ball.norm {
        Norm::Linf if ball.eps >= 1.0 => return usize::MAX,
        Norm::Linf => return 0,
        Norm::L2 => ball.eps * ball.eps,
        _ => ball.eps,
    };
    (room * 0.5 * (1.0 + ROUNDING)) as usize
}

/// The last step between the clean value and `value`, not beyond it.
fn stepped(value: f32, clean: f32, levels: u32) -> f32 {
    if levels == 0 {
        return value;
    }
    let n = levels as f32;
    let from = (clean * n + 0.5).floor();
    let moved = value * n - from;
    let steps = (moved.abs() + BETWEEN + n * ROUNDING)
        .floor()
        .copysign(moved);
    match steps == 0.0 {
        true => clean,
        false => (from + steps) / n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

    fn ball(norm: Norm, eps: f32) -> Ball {
        Ball {
            norm,
            eps,
            lo: 0.0,
            hi: 1.0,
        }
    }

    fn run(
        device: &Device,
        table: &[[u32; 3]],
        x: &[f32],
        x0: &[f32],
        depth: Depth,
        ball: &Ball,
    ) -> Vec<f32> {
        let cols = table.len();
        let array = |v: &[f32]| Array::from_vec(device, v.len() / cols, cols, v.to_vec()).unwrap();
        let elements = Array::from_vec(device, cols, 3, table.concat()).unwrap();
        let valid = valid(&array(x), &array(x0), &elements, depth, ball).unwrap();
        valid.to_vec().unwrap()
    }

    const BOTH: u32 = RISE | FALL;

    #[test]
    fn table() {
        // A number, one that only rises, four steps, an immutable one, a group of three.
        let table = [
            [0, BOTH, 1],
            [0, RISE, 1],
            [4, BOTH, 1],
            [0, 0, 1],
            [1, BOTH, 3],
            [1, BOTH, 0],
            [1, BOTH, 0],
        ];
        let x0 = [0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 0.0];
        let x = [0.75, 0.25, 0.9, 0.75, 0.25, 0.25, 0.5];
        let far = [-1.0, 2.0, f32::NAN, 0.0, 1.0, 0.5, 0.5];
        for device in testing::devices() {
            let run =
                |x: &[f32], depth, norm, eps| run(&device, &table, x, &x0, depth, &ball(norm, eps));
            let boxed = [0.75, 0.5, 0.9, 0.5, 0.25, 0.25, 0.5];
            assert_eq!(run(&x, Depth::Box, Norm::L2, 0.1), boxed);
            let free = [0.75, 0.5, 0.75, 0.5, 0.0, 0.0, 1.0];
            assert_eq!(run(&x, Depth::Valid, Norm::L2, 0.1), free);
            assert_eq!(
                run(&far, Depth::Valid, Norm::L2, 0.1),
                [0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.0]
            );
            let inside = |norm, eps| run(&x, Depth::Inside, norm, eps);
            assert_eq!(
                inside(Norm::Linf, 0.25),
                [0.75, 0.5, 0.75, 0.5, 1.0, 0.0, 0.0]
            );
            assert_eq!(inside(Norm::Linf, 1.0), free);
            assert_eq!(inside(Norm::L1, 2.0), [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 1.0]);
            assert_eq!(inside(Norm::L1, 1.3), [0.75, 0.5, 0.75, 0.5, 1.0, 0.0, 0.0]);
            assert_eq!(inside(Norm::L0, 1.0), [0.5, 0.5, 0.75, 0.5, 1.0, 0.0, 0.0]);
            assert_eq!(inside(Norm::L0, 3.0), [0.5, 0.5, 0.75, 0.5, 0.0, 0.0, 1.0]);
            assert_eq!(inside(Norm::L2, 1.5), [0.75, 0.5, 0.75, 0.5, 0.0, 0.0, 1.0]);
        }
    }

    struct Case {
        table: Vec<[u32; 3]>,
        x: Vec<f32>,
        x0: Vec<f32>,
    }

    impl Case {
        fn random(random: &mut Random, rows: usize, cols: usize) -> Self {
            let mut table = Vec::new();
            while table.len() < cols {
                let may = random.below(4) as u32;
                let length = (1 + random.below(5)).min(cols - table.len());
                if random.below(2) == 0 || length == 1 {
                    table.push([[0, 1, 7, 100][random.below(4)], may, 1]);
                    continue;
                }
                let may = if may == 0 { 0 } else { BOTH };
                table.push([1, may, length as u32]);
                table.extend(vec![[1, may, 0]; length - 1]);
            }
            let mut x0 = Vec::new();
            for _ in 0..rows {
                let mut j = 0;
                while j < cols {
                    let [levels, _, length] = table[j];
                    if length == 1 {
                        let v = random.within(0.0, 1.0);
                        let n = levels as f32;
                        x0.push(if levels == 0 { v } else { (v * n).round() / n });
                    } else {
                        let hot = random.below(length as usize);
                        x0.extend((0..length as usize).map(|k| f32::from(u8::from(k == hot))));
                    }
                    j += length as usize;
                }
            }
            let x = x0.iter().map(|v| v + random.within(-1.0, 1.0)).collect();
            Case { table, x, x0 }
        }
    }

    fn distance(norm: Norm, x: &[f32], x0: &[f32]) -> f32 {
        let moves = x.iter().zip(x0).map(|(a, b)| (a - b).abs());
        match norm {
            Norm::Linf => moves.fold(0.0, f32::max),
            Norm::L2 => moves.map(|d| d * d).sum::<f32>().sqrt(),
            Norm::L1 => moves.sum(),
            _ => moves.filter(|&d| d > 0.0).count() as f32,
        }
    }

    #[test]
    fn what_is_made_valid_is_valid_and_inside() {
        let mut random = Random::new(71);
        for (case, (rows, cols)) in testing::shapes(72).into_iter().enumerate() {
            let norm = NORMS[case % 4];
            let eps = match norm {
                Norm::Linf => random.within(0.05, 1.2),
                Norm::L0 => 1.0 + random.below(8) as f32,
                _ => random.within(0.1, 5.0),
            };
            let Case { table, x, x0 } = Case::random(&mut random, rows, cols);
            let on =
                |device: &Device| run(device, &table, &x, &x0, Depth::Inside, &ball(norm, eps));
            let got = on(&Device::Cpu);
            for (got, x0) in got.chunks(cols).zip(x0.chunks(cols)) {
                let far = distance(norm, got, x0);
                assert!(far <= eps * (1.0 + 1e-4) + 1e-4, "{norm} {eps}: {far}");
                for (j, &[levels, may, length]) in table.iter().enumerate() {
                    assert!(may != 0 || got[j] == x0[j]);
                    assert!(may & RISE != 0 || length == 0 || got[j] <= x0[j]);
                    let n = levels as f32;
                    assert!((got[j] * n - (got[j] * n).round()).abs() < 1e-4);
                    let group = &got[j..j + length as usize];
                    assert!(length < 2 || group.iter().sum::<f32>() == 1.0);
                }
            }
            // Where a move ends on a step but for rounding, devices may differ by one.
            let Some(gpu) = testing::gpu() else { continue };
            let apart = |(i, (a, b)): (usize, (&f32, &f32))| {
                let n = table[i % cols][0] as f32;
                let step = if n == 0.0 { 0.0 } else { 1.0 / n };
                assert!(
                    (a - b).abs() <= step + 1e-5,
                    "{norm} {rows} x {cols} at {i}: {a} {b}"
                );
                (a - b).abs() > 1e-5
            };
            let differ = got
                .iter()
                .zip(&on(&gpu))
                .enumerate()
                .filter(|&e| apart(e))
                .count();
            assert!(differ <= 1 + got.len() / 500, "{differ} of {}", got.len());
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        let run = |x0: &Array, elements: usize| {
            let elements = Array::zeros(&Device::Cpu, elements, 3).unwrap();
            valid(
                &array(2, 3),
                x0,
                &elements,
                Depth::Valid,
                &ball(Norm::L2, 1.0),
            )
        };
        assert!(run(&array(2, 3), 3).is_ok());
        assert!(run(&array(2, 4), 3).is_err() && run(&array(2, 3), 4).is_err());
    }
}
