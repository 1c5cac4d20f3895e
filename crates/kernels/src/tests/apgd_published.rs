//! APGD from this crate's kernels against the published algorithm, written down naively: in double
//! precision, one sample at a time, from whole histories.
//!
//! Croce & Hein 2020, arXiv 2003.01690, algorithm 1; in condition 1 with `<=`, and the losses as
//! they were before a restart, like the authors' code.

use crate::testing::{self, Random, assert_close};
use crate::{ApgdState, Array, Ball, Device, Norm, apgd_step, apgd_track, select};

const ITERATIONS: usize = 60;

/// A loss with several maxima in each coordinate, and its gradient. The loss is rounded to 1/1024,
/// so that single and double precision agree on whether it rose once a sample has all but
/// converged.
fn loss(x: &[f64]) -> (f64, Vec<f64>) {
    let centre = |i: usize| 0.3 * i as f64 % 1.0;
    let value = |(i, x): (usize, &f64)| (7.0 * x + i as f64).sin() - (x - centre(i)).powi(2);
    let slope = |(i, x): (usize, &f64)| 7.0 * (7.0 * x + i as f64).cos() - 2.0 * (x - centre(i));
    let total: f64 = x.iter().enumerate().map(value).sum();
    (
        (total * 1024.0).round() / 1024.0,
        x.iter().enumerate().map(slope).collect(),
    )
}

/// After which iterations a checkpoint lies: the first gap is 0.22 N, each next one 0.03 N shorter,
/// but none is shorter than 0.06 N.
fn checkpoints() -> Vec<usize> {
    let part = |share: f64| ((share * ITERATIONS as f64) as usize).max(1);
    let (mut at, mut gap, mut all) = (0, part(0.22), vec![]);
    while at + gap <= ITERATIONS {
        at += gap;
        all.push(at);
        gap = gap.saturating_sub(part(0.03)).max(part(0.06));
    }
    all
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn project(x: &[f64], x0: &[f64], ball: &Ball) -> Vec<f64> {
    let eps = f64::from(ball.eps);
    let delta: Vec<f64> = x.iter().zip(x0).map(|(x, x0)| x - x0).collect();
    let shrink = (eps / length(&delta)).min(1.0);
    let inside = |d: f64| match ball.norm {
        Norm::Linf => d.clamp(-eps, eps),
        _ => d * shrink,
    };
    x0.iter()
        .zip(delta)
        .map(|(x0, d)| (x0 + inside(d)).clamp(0.0, 1.0))
        .collect()
}

/// The first of the points with the highest loss.
fn best(points: &[Vec<f64>]) -> &Vec<f64> {
    let mut points = points.iter();
    let first = points.next().unwrap();
    points.fold(
        first,
        |best, x| if loss(x).0 > loss(best).0 { x } else { best },
    )
}

/// The best point, and the step size after each iteration.
fn published(x0: &[f64], ball: &Ball) -> (Vec<f64>, Vec<f64>) {
    let checkpoints = checkpoints();
    let mut evaluated = vec![x0.to_vec()];
    let mut steps = vec![2.0 * f64::from(ball.eps)];
    let (mut x, mut x_before) = (x0.to_vec(), x0.to_vec());
    for k in 1..=ITERATIONS {
        let step = steps[k - 1];
        let gradient = loss(&x).1;
        let direction = gradient.iter().map(|g| match ball.norm {
            Norm::Linf => g.signum(),
            _ => g / length(&gradient),
        });
        let z: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let z = project(&z, x0, ball);
        let keep = if k == 1 { 1.0 } else { 0.75 };
        let next: Vec<f64> = (0..x.len())
            .map(|i| x[i] + keep * (z[i] - x[i]) + (1.0 - keep) * (x[i] - x_before[i]))
            .collect();
        x_before = x;
        x = project(&next, x0, ball);
        evaluated.push(x.clone());

        let mut halve = false;
        if let Some(number) = checkpoints.iter().position(|&at| at == k) {
            let last = if number == 0 {
                0
            } else {
                checkpoints[number - 1]
            };
            let rises = (last..k)
                .filter(|&i| loss(&evaluated[i + 1]).0 > loss(&evaluated[i]).0)
                .count();
            let condition1 = rises as f64 <= 0.75 * (k - last) as f64;
            let condition2 = last > 0
                && steps[last] == steps[last - 1]
                && best(&evaluated[..=last]) == best(&evaluated);
            halve = condition1 || condition2;
        }
        if halve {
            x = best(&evaluated).clone();
        }
        steps.push(if halve { step / 2.0 } else { step });
    }
    (best(&evaluated).clone(), steps)
}

/// The same for all rows at once from the kernels: best points (n x d) and step sizes, a row an
/// iteration.
fn ours(device: &Device, x0: &[f32], cols: usize, ball: &Ball) -> (Vec<f32>, Vec<Vec<f32>>) {
    let rows = x0.len() / cols;
    let matrix = |data: Vec<f32>| Array::from_vec(device, rows, data.len() / rows, data).unwrap();
    let evaluate = |x: &Array| {
        let x = x.to_vec().unwrap();
        let rows = x
            .chunks(cols)
            .map(|x| loss(&x.iter().map(|&v| v.into()).collect::<Vec<_>>()));
        let (losses, gradients): (Vec<_>, Vec<_>) = rows.unzip();
        let single = |data: Vec<f64>| matrix(data.iter().map(|&v| v as f32).collect());
        (single(losses), single(gradients.concat()))
    };
    let start = matrix(x0.to_vec());
    let (mut x, mut x_prev) = (start.copy().unwrap(), start.copy().unwrap());
    let (loss0, mut grad) = evaluate(&x);
    let nothing_yet = || Array::filled(device, rows, cols, f32::NAN).unwrap();
    let (mut x_best, mut grad_best) = (nothing_yet(), nothing_yet());
    let mut state = ApgdState::new(device, &loss0, 2.0 * ball.eps).unwrap();
    let mut steps = vec![state.alpha.to_vec().unwrap()];
    let mut last = 0;
    for k in 1..=ITERATIONS {
        let keep = if k == 1 { 1.0 } else { 0.75 };
        apgd_step(&mut x, &mut x_prev, &start, &grad, &state.alpha, keep, ball).unwrap();
        let (losses, gradient) = evaluate(&x);
        let grad_prev = std::mem::replace(&mut grad, gradient);
        let checkpoint = checkpoints().contains(&k).then(|| (k - last) as u32);
        let masks = apgd_track(&losses, &mut state, checkpoint).unwrap();
        select(&mut x_best, &x_prev, &masks.left).unwrap();
        select(&mut grad_best, &grad_prev, &masks.left).unwrap();
        select(&mut x, &x_best, &masks.restart).unwrap();
        select(&mut grad, &grad_best, &masks.restart).unwrap();
        last = if checkpoint.is_some() { k } else { last };
        steps.push(state.alpha.to_vec().unwrap());
    }
    select(&mut x_best, &x, &state.improved).unwrap();
    (x_best.to_vec().unwrap(), steps)
}

#[test]
fn the_kernels_walk_the_published_path() {
    let (rows, cols) = (40, 6);
    let mut random = Random::new(21);
    let x0 = random.floats(rows * cols, 0.0, 1.0);
    for ball in [
        Ball {
            norm: Norm::Linf,
            eps: 0.3,
            lo: 0.0,
            hi: 1.0,
        },
        Ball {
            norm: Norm::L2,
            eps: 0.6,
            lo: 0.0,
            hi: 1.0,
        },
    ] {
        let samples = x0
            .chunks(cols)
            .map(|x0| published(&x0.iter().map(|&v| v.into()).collect::<Vec<_>>(), &ball));
        let samples: Vec<_> = samples.collect();
        let points: Vec<_> = samples
            .iter()
            .flat_map(|s| &s.0)
            .map(|&v| v as f32)
            .collect();
        let halvings = samples
            .iter()
            .map(|(_, steps)| (steps[0] / steps[ITERATIONS]).log2());
        let halvings: Vec<_> = halvings.collect();
        assert!(
            halvings.iter().any(|&n| n != halvings[0]),
            "the rule treats all rows alike"
        );
        for device in testing::devices() {
            let (x_best, steps) = ours(&device, &x0, cols, &ball);
            for (k, ours) in steps.iter().enumerate() {
                let theirs: Vec<_> = samples.iter().map(|s| s.1[k] as f32).collect();
                assert_eq!(
                    *ours, theirs,
                    "step sizes after {k} iterations on {device:?}"
                );
            }
            assert_close(
                &format!("{} on {device:?}", ball.norm),
                &x_best,
                &points,
                1e-4,
            );
        }
    }
}
