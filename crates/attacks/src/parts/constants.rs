//! Carlini and Wagner's weighing of misclassification against distance: `c * max(0, margin)`, and the search for c.
//!
//! Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>.

use scoville_kernels::{Array, Map, Zip, combine, map, select, zip};

use crate::{Error, Search};

/// The first c, and how it grows until a sample is misclassified.
const FIRST_CONSTANT: f32 = 1e-3;
const GROWTH: f32 = 10.0;

/// What the gradient of the loss, which falls with the margin, counts: -c where the sample is classified correctly, 0
/// where it is not.
pub fn push(mut loss: Array, constants: &Array) -> Result<Array, Error> {
    map(&mut loss, Map::Sign)?;
    map(&mut loss, Map::Clamp { lo: -1.0, hi: 0.0 })?;
    zip(&mut loss, Zip::Multiply, constants)?;
    Ok(loss)
}

/// The binary search for each sample's c.
pub struct Constants {
    pub now: Array,
    /// The largest c that did not work, and the smallest that did.
    low: Array,
    high: Array,
    /// Whether any did.
    ever: Array<u32>,
}

impl Constants {
    pub fn new(search: &Search<'_>) -> Result<Self, Error> {
        let (device, n) = (search.device(), search.running());
        Ok(Self {
            now: Array::filled(&device, n, 1, FIRST_CONSTANT)?,
            low: Array::zeros(&device, n, 1)?,
            high: Array::zeros(&device, n, 1)?,
            ever: Array::zeros(&device, n, 1)?,
        })
    }

    /// Takes in which samples were misclassified with the c of now.
    pub fn update(&mut self, found: &Array<u32>) -> Result<(), Error> {
        let mut low = self.now.copy()?;
        select(&mut low, &self.low, found)?;
        self.low = low;
        select(&mut self.high, &self.now, found)?;
        select(&mut self.ever, found, found)?;

        let mut middle = self.low.copy()?;
        combine(&mut middle, 0.5, &self.high, 0.5)?;
        map(
            &mut self.now,
            Map::Affine {
                scale: GROWTH,
                shift: 0.0,
            },
        )?;
        Ok(select(&mut self.now, &middle, &self.ever)?)
    }
}
