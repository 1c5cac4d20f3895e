//! Where an attack begins.

use scoville_kernels::{Array, Ball, start};

use crate::{Error, Search};

/// The first point of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The clean sample.
    Clean,
    /// Uniform in the ball (Madry et al. 2018).
    Uniform,
    /// On the ball's surface: a random point scaled to norm eps (AutoAttack's APGD, Croce & Hein 2020).
    Surface,
}

impl Start {
    /// The first point of every running sample. Each `restart` is a random stream of its own.
    pub fn place(self, search: &Search<'_>, restart: usize) -> Result<Array, Error> {
        self.place_in(&search.ball, search, restart)
    }

    /// The same in another ball than that of the search.
    pub fn place_in(
        self,
        ball: &Ball,
        search: &Search<'_>,
        restart: usize,
    ) -> Result<Array, Error> {
        let Search { x0, ids, seed, .. } = search;
        let random = |surface| start(x0, ids, ball, *seed, restart as u32, surface);
        let mut x = match self {
            Start::Clean => x0.copy()?,
            Start::Uniform => random(false)?,
            Start::Surface => random(true)?,
        };
        search.confine(&mut x)?;
        Ok(x)
    }
}
