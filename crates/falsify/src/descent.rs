//! Gradient ascent on the margin, many starts at once: sign steps with momentum (Dong et al. 2018) whose length is a share of
//! each element's width, falling along half a cosine. Half of the rows pursue whichever conjunction is closest, the others one of
//! the closest each, so that none is left out. Later rounds begin by walking along a random direction of the outputs (Tashiro,
//! Song and Ermon 2020), which spreads the starts.

use std::f32::consts::PI;

use rayon::prelude::*;
use scoville_runtime::Error as RuntimeError;
use scoville_vnnlib::Conjunction;

use crate::Error;
use crate::goal::{closest, derivative, nearest};
use crate::rng::Rng;
use crate::search::Search;
use crate::space::Space;

struct Round {
    rows: usize,
    steps: usize,
    /// Steps along a random direction of the outputs.
    spread: usize,
}

/// A short look first: most counter-examples are easy.
const LOOK: Round = Round {
    rows: 16,
    steps: 20,
    spread: 0,
};
const RESTART: Round = Round {
    rows: 64,
    steps: 60,
    spread: 5,
};

/// Conjunctions that rows are given to.
const PURSUED: usize = 12;
const FIRST_STEP: f32 = 0.25;
const LAST_STEP: f32 = 0.01;
const MOMENTUM: f32 = 0.75;

/// Runs one round, on fewer rows at once where the device lacks the memory. Round 0 is the short look.
pub(crate) fn round(search: &mut Search, space: &mut Space, round: u32) -> Result<(), Error> {
    let plan = if round == 0 { LOOK } else { RESTART };
    let mut rows = plan.rows;
    loop {
        match ascend(search, space, &plan, rows, round) {
            Err(Error::Runtime(RuntimeError::TooLarge { .. })) if rows > 1 => rows /= 2,
            done => return done,
        }
    }
}

fn ascend(
    search: &mut Search,
    space: &mut Space,
    plan: &Round,
    rows: usize,
    round: u32,
) -> Result<(), Error> {
    let (any, outputs) = (search.any(), search.model().classes());
    let mut rngs: Vec<Rng> = (0..rows)
        .map(|row| Rng::new(search.seed, search.at, round, row))
        .collect();
    let starts = rngs
        .iter_mut()
        .enumerate()
        .flat_map(|(row, rng)| start(space, round, row, rng));
    let mut x: Vec<f32> = starts.collect();
    let directions: Vec<f32> = rngs
        .iter_mut()
        .flat_map(|rng| {
            (0..outputs)
                .map(|_| 2.0 * rng.unit() - 1.0)
                .collect::<Vec<_>>()
        })
        .collect();
    let mut momentum = vec![0.0; x.len()];
    let mut pursued: Vec<Vec<usize>> = Vec::new();
    for step in 0..plan.steps {
        let (logits, gradient) = search.gradient(&x, &mut |logits| {
            if step < plan.spread {
                return directions.clone();
            }
            if pursued.is_empty() {
                let ranked = |row: &[f32]| closest(any, row, PURSUED);
                pursued = logits.par_chunks(outputs).map(ranked).collect();
            }
            pull(any, &pursued, logits, outputs)
        })?;
        if search.observe(&x, &logits)? {
            return Ok(());
        }
        space.gradient |= gradient.iter().any(|g| *g != 0.0 && g.is_finite());
        let length = step_length(step, plan.steps);
        x.par_chunks_mut(space.len())
            .zip(momentum.par_chunks_mut(space.len()))
            .zip(gradient.par_chunks(space.len()))
            .for_each(|((x, momentum), gradient)| advance(space, x, momentum, gradient, length));
    }
    let last = search.scores(&x)?;
    search.observe(&x, &last).map(|_| ())
}

/// The middle of the box first, then uniform points, and a corner every fourth row.
fn start(space: &Space, round: u32, row: usize, rng: &mut Rng) -> Vec<f32> {
    let point = |(low, high): (f32, f32)| {
        let share = match row {
            0 if round == 0 => 0.5,
            row if row % 4 == 2 => f32::from(u8::from(rng.coin())),
            _ => rng.unit(),
        };
        (low + share * (high - low)).clamp(low, high)
    };
    space.bounds().map(point).collect()
}

/// The derivative of each row's own objective by its outputs.
fn pull(any: &[Conjunction], pursued: &[Vec<usize>], logits: &[f32], outputs: usize) -> Vec<f32> {
    let mut by = vec![0.0; logits.len()];
    by.par_chunks_mut(outputs)
        .zip(logits.par_chunks(outputs))
        .zip(pursued)
        .enumerate()
        .for_each(|(row, ((by, logits), ranked))| {
            let target = match row % 2 {
                0 => nearest(any, logits),
                _ => ranked.iter().copied().cycle().nth(row / 2),
            };
            if let Some(conjunction) = target.and_then(|target| any.get(target)) {
                derivative(conjunction, logits, by);
            }
        });
    by
}

/// As a share of each element's width.
fn step_length(step: usize, steps: usize) -> f32 {
    let done = step as f32 / steps as f32;
    LAST_STEP + FIRST_STEP * 0.5 * (1.0 + (PI * done).cos())
}

fn advance(space: &Space, x: &mut [f32], momentum: &mut [f32], gradient: &[f32], length: f32) {
    let total: f32 = gradient.iter().map(|g| g.abs()).sum();
    // A row whose gradient vanished or overflowed goes on as it did.
    let scale = match total {
        total if total > 0.0 && total.is_finite() => gradient.len() as f32 / total,
        _ => 0.0,
    };
    let elements = x.iter_mut().zip(momentum).zip(gradient).zip(space.bounds());
    for (((x, momentum), gradient), (low, high)) in elements {
        let new = if scale > 0.0 { gradient * scale } else { 0.0 };
        *momentum = MOMENTUM * *momentum + new;
        let sign = match *momentum {
            m if m > 0.0 => 1.0,
            m if m < 0.0 => -1.0,
            _ => 0.0,
        };
        *x = (*x + sign * length * (high - low)).clamp(low, high);
    }
}
