//! Square attack: a random search from scores alone. Each query changes one square window of the best point so far and
//! keeps the change if the margin falls; windows shrink as the budget is spent.
//!
//! Andriushchenko et al. 2020, <https://arxiv.org/abs/1912.00049>.

use scoville_kernels::{
    Array, Image, Norm, Windows, keep_lower, select, square_l2_propose, square_l2_start,
    square_linf_propose, square_linf_start,
};
use scoville_targets::Scores;

use crate::registry::{Access, Algorithm, BLACK_BOX, CONVEX, Row, real, whole};
use crate::{BlackBox, Error, Search};

use super::{ask, compact};

pub const ROW: Row = Row {
    name: "square",
    summary: "Changes a square at random at each query, and keeps it if the margin falls",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: CONVEX,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        real(
            "schedule",
            1.0,
            (1e-3, 1e3),
            "budget that the squares shrink for, as a multiple of the queries",
        ),
    ],
    paper: "Andriushchenko 2020, arXiv:1912.00049",
    build: |v| {
        Algorithm::BlackBox(Box::new(Square {
            queries: v.whole("queries"),
            schedule: v.double("schedule"),
        }))
    },
};

/// The share of the image that the first window covers.
const FIRST_SHARE: f64 = 0.8;

/// The share halves when this part of the budget, in ten-thousandths, is spent.
const HALVE_AT: [usize; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/// Square with `queries` queries a sample. The windows shrink as they do in the first part of a budget that is `schedule`
/// times as large: 1 fits the schedule to the budget, AutoAttack has 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    pub queries: usize,
    pub schedule: f64,
}

impl BlackBox for Square {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let mut best = first(search)?;
        let mut candidate = best.copy()?;
        let mut margin = ask(&best, search, target)?;
        let mut before = None;
        for query in 1..self.queries {
            if compact(search, &mut [&mut best, &mut candidate, &mut margin])? {
                return Ok(());
            }
            let windows = self.windows(query, search);
            propose(&mut candidate, &best, &windows, before.as_ref(), search)?;
            before = Some(windows);
            let new = ask(&candidate, search, target)?;
            let better = keep_lower(&mut margin, &new)?;
            select(&mut best, &candidate, &better)?;
        }
        Ok(())
    }
}

impl Square {
    fn windows(&self, query: usize, search: &Search<'_>) -> Windows {
        Windows {
            image: search.image,
            side: self.side(query, search),
            seed: search.seed,
            iteration: query as u32,
        }
    }

    /// The window's side at `query`, in pixels.
    fn side(&self, query: usize, search: &Search<'_>) -> u32 {
        let Image { height, width, .. } = search.image;
        let share = share(query, self.queries as f64 * self.schedule);
        // Flat data have no second dimension for a square: the window is a run of features.
        let side = if height == 1 || width == 1 {
            share * (height * width) as f64
        } else {
            (share * (height * width) as f64).sqrt()
        };
        let side = (side.round() as u32).max(1);
        match search.ball.norm {
            Norm::Linf => side,
            _ => side.max(3) | 1,
        }
    }
}

/// The share of the image that the window at `query` of `queries` covers.
pub(super) fn share(query: usize, queries: f64) -> f64 {
    let spent = (query as f64 * 10_000.0 / queries) as usize;
    let halvings = HALVE_AT.iter().filter(|&&at| spent > at).count();
    FIRST_SHARE / f64::from(1u32 << halvings)
}

fn first(search: &Search<'_>) -> Result<Array, Error> {
    let Search {
        x0,
        ids,
        image,
        seed,
        ball,
        ..
    } = search;
    Ok(match ball.norm {
        Norm::Linf => square_linf_start(x0, ids, *image, *seed, ball)?,
        _ => square_l2_start(x0, ids, *image, *seed, ball)?,
    })
}

/// Writes `candidate`, which differs from `best` in the windows of `before` alone.
fn propose(
    candidate: &mut Array,
    best: &Array,
    windows: &Windows,
    before: Option<&Windows>,
    search: &Search<'_>,
) -> Result<(), Error> {
    let Search { x0, ids, ball, .. } = search;
    match ball.norm {
        Norm::Linf => square_linf_propose(candidate, best, x0, ids, windows, before, ball)?,
        _ => square_l2_propose(candidate, best, x0, ids, windows, ball)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shrink_as_in_the_paper() {
        // (query of 10,000, halvings of 0.8)
        for (query, halvings) in [
            (0, 0),
            (10, 0),
            (11, 1),
            (51, 2),
            (201, 3),
            (501, 4),
            (1001, 5),
            (2001, 6),
            (8001, 9),
        ] {
            assert_eq!(
                share(query, 10_000.0),
                0.8 / f64::from(1 << halvings),
                "query {query}"
            );
        }
        // The schedule is scaled to the budget.
        assert_eq!(share(3, 1000.0), share(30, 10_000.0));
    }
}
