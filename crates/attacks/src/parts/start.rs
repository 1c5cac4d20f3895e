//! Where an attack begins.

use scoville_kernels::{Array, start};

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
        let random = |surface| {
            start(
                &search.x0,
                &search.ids,
                &search.ball,
                search.seed,
                restart as u32,
                surface,
            )
        };
        Ok(match self {
            Start::Clean => search.x0.copy()?,
            Start::Uniform => random(false)?,
            Start::Surface => random(true)?,
        })
    }
}
