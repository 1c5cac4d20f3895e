//! Adam (Kingma & Ba 2015), on the device.

use scoville_kernels::{Array, Map, Zip, combine, map, zip};

use crate::{Error, Search};

const DECAY: (f32, f32) = (0.9, 0.999);
const TINY: f32 = 1e-8;

/// The moments of a descent.
pub struct Adam {
    /// The step length.
    pub rate: f32,
    steps: i32,
    mean: Array,
    square: Array,
}

impl Adam {
    /// A descent that begins, with step length `rate`.
    pub fn new(search: &Search<'_>, rate: f32) -> Result<Self, Error> {
        let (n, cols, device) = (search.x0.rows(), search.x0.cols(), search.device());
        Ok(Self {
            rate,
            steps: 0,
            mean: Array::zeros(&device, n, cols)?,
            square: Array::zeros(&device, n, cols)?,
        })
    }

    /// The moving averages, for samples to be taken out of.
    pub fn moments(&mut self) -> [&mut Array; 2] {
        [&mut self.mean, &mut self.square]
    }

    /// Moves `w` down `gradient`.
    pub fn descend(&mut self, w: &mut Array, gradient: Array) -> Result<(), Error> {
        let step = self.advance(gradient)?;
        Ok(combine(w, 1.0, &step, -1.0)?)
    }

    /// The same with a step length of its own for each row, `length` (n x 1) times `rate`.
    pub fn descend_by(
        &mut self,
        w: &mut Array,
        gradient: Array,
        length: &Array,
    ) -> Result<(), Error> {
        let mut step = self.advance(gradient)?;
        zip(&mut step, Zip::Multiply, length)?;
        Ok(combine(w, 1.0, &step, -1.0)?)
    }

    fn advance(&mut self, mut gradient: Array) -> Result<Array, Error> {
        self.steps += 1;
        combine(&mut self.mean, DECAY.0, &gradient, 1.0 - DECAY.0)?;
        map(&mut gradient, Map::Square)?;
        combine(&mut self.square, DECAY.1, &gradient, 1.0 - DECAY.1)?;
        self.step(self.steps)
    }

    /// Moves `w` down `gradient` in the elements where `moved` is 1, each of which is moved for the `time`th time; the
    /// others, where it is 0, stay.
    pub fn descend_at(
        &mut self,
        w: &mut Array,
        mut gradient: Array,
        moved: &Array,
        time: usize,
    ) -> Result<(), Error> {
        let toward = |kept: &mut Array, new: &Array, decay: f32| -> Result<(), Error> {
            let mut change = new.copy()?;
            combine(&mut change, 1.0, kept, -1.0)?;
            zip(&mut change, Zip::Multiply, moved)?;
            Ok(combine(kept, 1.0, &change, 1.0 - decay)?)
        };
        toward(&mut self.mean, &gradient, DECAY.0)?;
        map(&mut gradient, Map::Square)?;
        toward(&mut self.square, &gradient, DECAY.1)?;
        let mut step = self.step(i32::try_from(time).unwrap_or(i32::MAX))?;
        zip(&mut step, Zip::Multiply, moved)?;
        Ok(combine(w, 1.0, &step, -1.0)?)
    }

    /// The step at the `time`th move.
    fn step(&self, time: i32) -> Result<Array, Error> {
        let mut step = self.square.copy()?;
        let scale = 1.0 / (1.0 - DECAY.1.powi(time));
        map(&mut step, Map::Affine { scale, shift: 0.0 })?;
        map(&mut step, Map::Sqrt)?;
        let (scale, shift) = (1.0, TINY);
        map(&mut step, Map::Affine { scale, shift })?;
        map(&mut step, Map::Reciprocal)?;
        zip(&mut step, Zip::Multiply, &self.mean)?;
        let scale = self.rate / (1.0 - DECAY.0.powi(time));
        map(&mut step, Map::Affine { scale, shift: 0.0 })?;
        Ok(step)
    }
}
