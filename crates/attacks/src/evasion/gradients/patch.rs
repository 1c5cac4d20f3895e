//! A patch for each sample: its pixels, and the place that it hides, are sought together. The changed elements are a square
//! that an L0 ball holds: of eps elements, with a side of `floor(sqrt(eps / channels))` pixels; on flat data it is a run of
//! features.
//!
//! Brown et al. 2017, <https://arxiv.org/abs/1712.09665>, with places that move (Rao et al. 2020,
//! <https://arxiv.org/abs/2005.02313>).

use rayon::prelude::*;
use scoville_kernels::{
    Array, Ball, Image, Loss, Map, Noise, combine, head, keep_lower, map, momentum, noise, select,
};
use scoville_targets::Gradients;

use crate::parts::cosine;
use crate::parts::patch::{Lies, climb, elements, in_range, keep_inside, largest};
use crate::registry::{Access, Algorithm, L0, Row, WHITE_BOX, real, whole};
use crate::search::gather_in_place;
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "patch",
    summary: "A square patch for each sample, whose pixels and place are sought together",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        real(
            "step",
            0.1,
            (1e-6, 1.0),
            "length of the first step, as a share of the input range",
        ),
        whole(
            "restarts",
            1.0,
            1e4,
            "walks, each with the patch begun at another place",
        ),
    ],
    paper: "Brown 2017, arXiv:1712.09665",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Patch {
            steps: v.whole("steps"),
            step: v.real("step"),
            restarts: v.whole("restarts"),
        }))
    },
};

/// What is left of the last direction at each step.
const DECAY: f32 = 0.9;
/// A step is this share of the first at the end.
const LAST_STEP: f32 = 0.1;
/// How far a place moves at most, as a share of the patch's side: at first, and at the end.
const REACH: (f32, f32) = (1.0, 0.1);

/// Patches learnt in `steps` steps up the margin, along the signs of the gradient with momentum, the first of `step` times the
/// input's range. Each begins as noise where pixels promise most; every restart begins elsewhere. At each step another place
/// nearby is tried, too, and taken if the margin is higher there. A restart costs a gradient evaluation more than steps, and
/// one query more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    pub steps: usize,
    pub step: f32,
    pub restarts: usize,
}

impl WhiteBox for Patch {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let Some(patch) = largest(search.image, search.ball.eps) else {
            return Ok(());
        };
        for restart in 0..self.restarts {
            if search.is_done() {
                break;
            }
            self.walk(restart, patch, search, target)?;
        }
        Ok(())
    }
}

impl Patch {
    fn walk(
        &self,
        restart: usize,
        patch: Image,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut walk = Walk::begin(restart, patch, search, target)?;
        for iteration in 0..self.steps {
            let x = walk.lies.paste(&walk.pixels, patch, search)?;
            let mut seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                walk.gather(&rows)?;
                gather_in_place(&mut seen.loss, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
            }
            let gradient = walk.lies.peel(&seen.gradient, patch, search)?;
            let reach = cosine(REACH.0, REACH.1, iteration, self.steps);
            let stream = (restart * self.steps + iteration) as u32;
            walk.relocate(seen.loss, reach, stream, search, target)?;
            let length = cosine(self.step, LAST_STEP * self.step, iteration, self.steps);
            walk.climb(&gradient, length, search)?;
        }
        let x = walk.lies.paste(&walk.pixels, patch, search)?;
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)?;
        search.settle()
    }
}

/// The patches of the running samples on their way.
struct Walk {
    patch: Image,
    lies: Lies,
    pixels: Array,
    velocity: Array,
}

impl Walk {
    fn begin(
        restart: usize,
        patch: Image,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Self, Error> {
        let (n, cols, device) = (search.running(), elements(patch), search.device());
        let stream = u32::MAX - restart as u32;
        let mut pixels = noise(&search.ids, cols, Noise::Uniform, search.seed, stream)?;
        in_range(&mut pixels, search)?;
        let places = promising(restart, patch, search, target)?;
        Ok(Self {
            patch,
            lies: Lies::upright(Array::from_vec(&device, n, 2, places)?)?,
            pixels,
            velocity: Array::zeros(&device, n, cols)?,
        })
    }

    fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        let Lies { places, looks } = &mut self.lies;
        for array in [places, looks, &mut self.pixels, &mut self.velocity] {
            gather_in_place(array, rows)?;
        }
        Ok(())
    }

    /// Tries a place for each patch no further than `reach` of its side away, and takes it where the loss is above `here`.
    fn relocate(
        &mut self,
        mut here: Array,
        reach: f32,
        stream: u32,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let reach = (reach * self.patch.height.max(self.patch.width) as f32).max(1.0);
        let mut places = noise(&search.ids, 2, Noise::Uniform, search.seed, stream)?;
        let (scale, shift) = (2.0 * reach, -reach);
        map(&mut places, Map::Affine { scale, shift })?;
        map(&mut places, Map::Round)?;
        combine(&mut places, 1.0, &self.lies.places, 1.0)?;
        keep_inside(&mut places, self.patch, search.image)?;
        let other = Lies::upright(places)?;
        let x = other.paste(&self.pixels, self.patch, search)?;
        let mut there = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &there.predicted)?;
        let turned = Map::Affine {
            scale: -1.0,
            shift: 0.0,
        };
        map(&mut here, turned)?;
        map(&mut there.loss, turned)?;
        let better = keep_lower(&mut here, &there.loss)?;
        Ok(select(&mut self.lies.places, &other.places, &better)?)
    }

    /// A step of `length` times the range along the signs of the velocity.
    fn climb(&mut self, gradient: &Array, length: f32, search: &Search<'_>) -> Result<(), Error> {
        momentum(&mut self.velocity, gradient, DECAY)?;
        climb(&mut self.pixels, &self.velocity, length, search)
    }
}

/// The middle of the patch on each sample where moving pixels to an end of the range promises most by the gradient; at each
/// `restart` another one, half a side from those before where there is one. Row and column, sample after sample.
fn promising(
    restart: usize,
    patch: Image,
    search: &Search<'_>,
    target: &dyn Gradients,
) -> Result<Vec<f32>, Error> {
    let (x, cols) = (search.x0.to_vec()?, search.x0.cols());
    let gradient = target
        .gradient(&search.x0, &search.y, Loss::Margin)?
        .gradient;
    let (gradient, image, ball) = (gradient.to_vec()?, search.image, search.ball);
    let rows = gradient.par_chunks(cols).zip(x.par_chunks(cols));
    let places = rows.flat_map_iter(|(gradient, x)| {
        let gains = Gains::new(gradient, x, image, &ball);
        let (top, left) = gains.window(patch, restart);
        [
            top as f32 + 0.5 * (patch.height as f32 - 1.0),
            left as f32 + 0.5 * (patch.width as f32 - 1.0),
        ]
    });
    Ok(places.collect())
}

/// Sums of what pixels promise over every rectangle from the first one.
struct Gains {
    sums: Vec<f64>,
    height: usize,
    width: usize,
}

impl Gains {
    fn new(gradient: &[f32], x: &[f32], image: Image, ball: &Ball) -> Self {
        let Image { height, width, .. } = image;
        let gain = |(&g, &x): (&f32, &f32)| {
            let room = if g > 0.0 { ball.hi - x } else { x - ball.lo };
            let gain = f64::from(g.abs() * room);
            if gain.is_finite() { gain } else { 0.0 }
        };
        let stride = width + 1;
        let mut sums = vec![0.0; (height + 1) * stride];
        for (i, gain) in gradient.iter().zip(x).map(gain).enumerate() {
            let pixel = i % (height * width);
            sums[(pixel / width + 1) * stride + pixel % width + 1] += gain;
        }
        for i in stride + 1..sums.len() {
            if i % stride != 0 {
                sums[i] += sums[i - 1] + sums[i - stride] - sums[i - stride - 1];
            }
        }
        Self {
            sums,
            height,
            width,
        }
    }

    /// What the window whose first pixel is at `top` and `left` promises.
    fn of(&self, top: usize, left: usize, patch: Image) -> f64 {
        let at = |row: usize, column: usize| self.sums[row * (self.width + 1) + column];
        let (bottom, right) = (top + patch.height, left + patch.width);
        at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
    }

    /// The window that promises the most of those that lie half a side from the `passed` best ones; the best of all where
    /// there are none.
    fn window(&self, patch: Image, passed: usize) -> (usize, usize) {
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let apart = |a: (usize, usize), b: (usize, usize)| {
            2 * a.0.abs_diff(b.0) >= patch.height || 2 * a.1.abs_diff(b.1) >= patch.width
        };
        loop {
            let all = (0..=self.height - patch.height)
                .flat_map(|top| (0..=self.width - patch.width).map(move |left| (top, left)));
            let free = all.filter(|&window| taken.iter().all(|&other| apart(window, other)));
            let best = free.max_by(|&a, &b| {
                let of = |(top, left)| self.of(top, left, patch);
                of(a).total_cmp(&of(b)).then(b.cmp(&a))
            });
            match best {
                Some(best) if taken.len() >= passed => return best,
                Some(best) => taken.push(best),
                None => return taken.first().copied().unwrap_or_default(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scoville_kernels::Norm;

    #[test]
    fn windows_are_where_pixels_promise_most() {
        let image = Image {
            channels: 2,
            height: 4,
            width: 5,
        };
        let patch = Image {
            channels: 2,
            height: 2,
            width: 2,
        };
        let ball = Ball {
            norm: Norm::L0,
            eps: 8.0,
            lo: 0.0,
            hi: 1.0,
        };
        let mut gradient = vec![0.0; 40];
        let x = vec![0.25; 40];
        // Down there is a quarter of the range, up three quarters.
        (gradient[6], gradient[20 + 13], gradient[4]) = (-2.0, 1.0, f32::NAN);
        let gains = Gains::new(&gradient, &x, image, &ball);
        assert_eq!(gains.of(1, 1, patch), 0.5);
        assert_eq!(gains.of(1, 2, patch), 0.75);
        assert_eq!(gains.of(0, 0, image), 1.25);
        let windows: Vec<_> = (0..3).map(|passed| gains.window(patch, passed)).collect();
        assert_eq!(windows[0], (1, 2));
        assert!(gains.of(windows[1].0, windows[1].1, patch) <= 0.75);
        assert!(windows[1] != windows[0] && windows[2] != windows[1]);
        // Where there is one window only, every restart has it.
        assert_eq!(gains.window(image, 3), (0, 0));
    }
}
