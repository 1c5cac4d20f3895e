//! Square attack on flows of mass: each query pours mass along the edges of a random square window, each channel one way to
//! the side and one up or down, and keeps the flow if the margin falls.
//!
//! The search is Andriushchenko et al. 2020, <https://arxiv.org/abs/1912.00049>; that flows make the images of a Wasserstein
//! ball, Levine & Feizi 2020, <https://arxiv.org/abs/1910.10783>.

use scoville_kernels::{
    Array, Ball, Image, Norm, Windows, flow_carry, keep_lower, select, square_linf_propose,
};
use scoville_targets::Scores;

use super::{ask, compact, square};
use crate::parts::flow::{make_length, pour, radius};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row, WASSERSTEIN, real, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "wasserstein-square",
    summary: "Pours mass to and fro in a square at random at each query, and keeps it if the margin falls",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: WASSERSTEIN,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        real(
            "step",
            0.15,
            (1e-3, 1e3),
            "flow that is poured at a query, as a multiple of the longest flow",
        ),
    ],
    paper: "Andriushchenko 2020, arXiv:1912.00049",
    build: |v| {
        Algorithm::BlackBox(Box::new(WassersteinSquare {
            queries: v.whole("queries"),
            step: v.real("step"),
        }))
    },
};

/// With `queries` queries a sample, each of which pours `step` times the longest flow into one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WassersteinSquare {
    pub queries: usize,
    pub step: f32,
}

impl BlackBox for WassersteinSquare {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let (device, cols) = (search.device(), search.x0.cols());
        let mut radius = radius(search)?;
        let mut flow = Array::zeros(&device, search.running(), 2 * cols)?;
        let mut best = search.x0.copy()?;
        let mut margin = ask(&best, search, target)?;
        for query in 1..self.queries {
            if compact(
                search,
                &mut [&mut flow, &mut best, &mut margin, &mut radius],
            )? {
                return Ok(());
            }
            let mut change = self.change(query, search)?;
            make_length(&mut change, &radius)?;
            let mut candidate = flow.copy()?;
            pour(&mut candidate, change, self.step, &best, &radius, search)?;
            let x = flow_carry(&search.x0, &candidate, search.image, &search.ball)?;
            let new = ask(&x, search, target)?;
            let better = keep_lower(&mut margin, &new)?;
            select(&mut flow, &candidate, &better)?;
            select(&mut best, &x, &better)?;
        }
        Ok(())
    }
}

impl WassersteinSquare {
    /// As much along every edge of a window, one way in each channel and axis.
    fn change(&self, query: usize, search: &Search<'_>) -> Result<Array, Error> {
        let none = Array::zeros(&search.device(), search.running(), 2 * search.x0.cols())?;
        let mut change = none.copy()?;
        let image = Image {
            channels: 2 * search.image.channels,
            ..search.image
        };
        let share = square::share(query, self.queries as f64) * (image.height * image.width) as f64;
        let windows = Windows {
            image,
            side: (share.sqrt().round() as u32).max(1),
            seed: search.seed,
            iteration: query as u32,
        };
        let unit = Ball {
            norm: Norm::Linf,
            eps: 1.0,
            lo: -1.0,
            hi: 1.0,
        };
        square_linf_propose(
            &mut change,
            &none,
            &none,
            &search.ids,
            &windows,
            None,
            &unit,
        )?;
        Ok(change)
    }
}
