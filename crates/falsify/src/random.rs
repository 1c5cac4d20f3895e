//! Random search after the Square attack (Andriushchenko et al. 2020), for boxes: chains that start in corners move a shrinking
//! part of the elements to a bound, and keep what does not lower the margin. In images the part is a square, elsewhere any
//! elements. Short where gradients lead, long where they do not.

use rayon::prelude::*;

use crate::Error;
use crate::goal::best_margin;
use crate::rng::Rng;
use crate::search::Search;
use crate::space::Space;

const CHAINS: usize = 32;
const STEPS: usize = 30;
const STEPS_WITHOUT_GRADIENT: usize = 500;
/// The share of elements that the first steps move.
const FIRST_SHARE: f32 = 0.3;
/// No round of the descent has this number.
const STAGE: u32 = u32::MAX;

pub(crate) fn search(search: &mut Search, space: &Space) -> Result<(), Error> {
    let steps = match space.gradient {
        true => STEPS,
        false => STEPS_WITHOUT_GRADIENT,
    };
    let (any, outputs, len) = (search.any(), search.model().classes(), space.len());
    let grid = Grid::of(search.model().sample_shape());
    let mut rngs: Vec<Rng> = (0..CHAINS)
        .map(|row| Rng::new(search.seed, search.at, STAGE, row))
        .collect();
    let corners = rngs.iter_mut().flat_map(|rng| corner(space, rng));
    let mut x: Vec<f32> = corners.collect();
    let mut margins = vec![f64::NEG_INFINITY; CHAINS];
    let mut proposed = x.clone();
    for step in 0..steps {
        let scores = search.scores(&proposed)?;
        if search.observe(&proposed, &scores)? {
            return Ok(());
        }
        let share = FIRST_SHARE / (1.0 + 20.0 * step as f32 / steps as f32);
        x.par_chunks_mut(len)
            .zip(proposed.par_chunks_mut(len))
            .zip(scores.par_chunks(outputs))
            .zip(&mut margins)
            .zip(&mut rngs)
            .for_each(|((((x, proposed), scores), margin), rng)| {
                let new = best_margin(any, scores);
                if new >= *margin {
                    *margin = new;
                    x.copy_from_slice(proposed);
                } else {
                    proposed.copy_from_slice(x);
                }
                grid.move_part(space, proposed, share, rng);
            });
    }
    Ok(())
}

fn corner(space: &Space, rng: &mut Rng) -> Vec<f32> {
    let bounds = space.bounds();
    bounds
        .map(|(low, high)| if rng.coin() { high } else { low })
        .collect()
}

/// How the elements of a sample lie: an image of rows and columns, or a list.
enum Grid {
    List,
    Image {
        rows: usize,
        cols: usize,
        channels: usize,
        channels_last: bool,
    },
}

impl Grid {
    fn of(shape: &[usize]) -> Grid {
        match *shape {
            [a, b, c] if c < a && c < b => Grid::Image {
                rows: a,
                cols: b,
                channels: c,
                channels_last: true,
            },
            [channels, rows, cols] if rows > 1 && cols > 1 => Grid::Image {
                rows,
                cols,
                channels,
                channels_last: false,
            },
            _ => Grid::List,
        }
    }

    /// Moves a part of the elements to a bound each.
    fn move_part(&self, space: &Space, x: &mut [f32], share: f32, rng: &mut Rng) {
        let mut set = |at: usize, high: bool| {
            let side = if high { &space.upper } else { &space.lower };
            if let (Some(x), Some(&bound)) = (x.get_mut(at), side.get(at)) {
                *x = bound;
            }
        };
        match *self {
            Grid::List => {
                let count = (share * space.len() as f32).max(1.0) as usize;
                for _ in 0..count {
                    set(rng.below(space.len()), rng.coin());
                }
            }
            Grid::Image {
                rows,
                cols,
                channels,
                channels_last,
            } => {
                let side = (share * (rows * cols) as f32).sqrt().max(1.0) as usize;
                let side = side.min(rows).min(cols);
                let (top, left) = (rng.below(rows - side + 1), rng.below(cols - side + 1));
                for channel in 0..channels {
                    let high = rng.coin();
                    for (row, col) in (top..top + side)
                        .flat_map(|row| (left..left + side).map(move |col| (row, col)))
                    {
                        let pixel = row * cols + col;
                        set(
                            match channels_last {
                                true => pixel * channels + channel,
                                false => channel * rows * cols + pixel,
                            },
                            high,
                        );
                    }
                }
            }
        }
    }
}
