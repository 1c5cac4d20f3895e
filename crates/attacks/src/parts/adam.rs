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

    /// Moves `w` down `gradient`.
    pub fn descend(&mut self, w: &mut Array, mut gradient: Array) -> Result<(), Error> {
        self.steps += 1;
        combine(&mut self.mean, DECAY.0, &gradient, 1.0 - DECAY.0)?;
        map(&mut gradient, Map::Square)?;
        combine(&mut self.square, DECAY.1, &gradient, 1.0 - DECAY.1)?;

        let mut step = self.square.copy()?;
        let scale = 1.0 / (1.0 - DECAY.1.powi(self.steps));
        map(&mut step, Map::Affine { scale, shift: 0.0 })?;
        map(&mut step, Map::Sqrt)?;
        map(
            &mut step,
            Map::Affine {
                scale: 1.0,
                shift: TINY,
            },
        )?;
        map(&mut step, Map::Reciprocal)?;
        zip(&mut step, Zip::Multiply, &self.mean)?;
        let length = self.rate / (1.0 - DECAY.0.powi(self.steps));
        Ok(combine(w, 1.0, &step, -length)?)
    }
}
