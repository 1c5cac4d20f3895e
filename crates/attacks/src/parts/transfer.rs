//! The momentum attacks whose examples carry over to other models: gradients from several views of a point, added up over
//! the steps.

use scoville_kernels::{
    Array, Ball, Diversity, Loss, Way, blur, combine, head, momentum, resize_pad, start, step,
};
use scoville_targets::Gradients;

use crate::{Error, Search, WhiteBox, search::gather_in_place};

/// A momentum attack (Dong et al. 2018) as the sum of its parts, in `steps` steps of eps / `steps`. With every part left
/// out it is MI-FGSM.
///
/// Each step costs `scales` times `1 + neighbours` gradient evaluations (the last one no neighbours) and a query for each
/// sample that is not broken before: gradients are taken beside the point, so it is asked about by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    pub steps: usize,
    pub decay: f32,
    /// Gradients are taken where the momentum would lead (Lin et al. 2020).
    pub lookahead: bool,
    /// Gradients are added up over so many copies, each half as bright as the last (Lin et al. 2020).
    pub scales: usize,
    /// Gradients are corrected by how much they differed, at the step before, from the mean of so many points around (Wang
    /// & He 2021).
    pub neighbours: usize,
    /// How far around, as a multiple of eps.
    pub reach: f32,
    /// Gradients are blurred by a Gaussian that reaches so many pixels to each side (Dong et al. 2019).
    pub blur: usize,
    /// Gradients are taken at an image that is now and then shrunk and set elsewhere (Xie et al. 2019).
    pub diversity: Option<Diversity>,
}

impl Transfer {
    /// MI-FGSM.
    pub fn new(steps: usize, decay: f32) -> Self {
        Self {
            steps,
            decay,
            lookahead: false,
            scales: 1,
            neighbours: 0,
            reach: 0.0,
            blur: 0,
            diversity: None,
        }
    }

    /// `x`, or where the momentum leads from it.
    fn point(&self, x: &Array, velocity: &Array, search: &Search<'_>) -> Result<Array, Error> {
        let mut point = x.copy()?;
        if self.lookahead {
            // The paper normalises gradients to a mean magnitude of 1; the kernel, to a sum of 1.
            let stride = self.stride() * search.ball.eps * x.cols() as f32;
            combine(&mut point, 1.0, velocity, self.decay * stride)?;
        }
        Ok(point)
    }

    /// The length of a step as a share of eps.
    fn stride(&self) -> f32 {
        1.0 / self.steps as f32
    }

    /// The gradient at `x`, through the change that diversity makes of it.
    fn diverse(
        &self,
        stream: usize,
        x: &Array,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let ask = |x: &Array| target.gradient(x, &search.y, Loss::CrossEntropy);
        let Some(diversity) = self.diversity else {
            return Ok(ask(x)?.gradient);
        };
        let draw = (search.seed, stream as u32);
        let turn = |x: &Array, way| resize_pad(x, &search.ids, search.image, diversity, draw, way);
        let seen = ask(&turn(x, Way::Forward)?)?;
        Ok(turn(&seen.gradient, Way::Transposed)?)
    }

    /// The gradient at `point`, over all scales.
    fn gradient(
        &self,
        stream: usize,
        point: &Array,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let ask = |x: &Array| self.diverse(stream, x, search, target);
        let mut gradient = ask(point)?;
        let (mut view, mut scale) = (point.copy()?, 1.0);
        for _ in 1..self.scales {
            search.heed_stop()?;
            scale *= 0.5;
            combine(&mut view, 0.0, point, scale)?;
            combine(&mut gradient, 1.0, &ask(&view)?, scale)?;
        }
        Ok(gradient)
    }

    /// The mean gradient around `point`, less that at `point`.
    fn variance(
        &self,
        iteration: usize,
        point: &Array,
        gradient: &Array,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let around = Ball {
            eps: self.reach * search.ball.eps,
            lo: f32::MIN,
            hi: f32::MAX,
            ..search.ball
        };
        let mut variance = Array::zeros(&search.device(), point.rows(), point.cols())?;
        if self.neighbours == 0 {
            return Ok(variance);
        }
        combine(&mut variance, 0.0, gradient, -1.0)?;
        for neighbour in 0..self.neighbours {
            search.heed_stop()?;
            let stream = iteration * self.neighbours + neighbour;
            let near = start(
                point,
                &search.ids,
                &around,
                search.seed,
                stream as u32,
                false,
            )?;
            let there = self.gradient(stream, &near, search, target)?;
            combine(&mut variance, 1.0, &there, 1.0 / self.neighbours as f32)?;
        }
        Ok(variance)
    }
}

impl WhiteBox for Transfer {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut velocity = Array::zeros(&search.device(), x.rows(), x.cols())?;
        let mut variance = Array::zeros(&search.device(), x.rows(), x.cols())?;
        let length = self.stride() * search.ball.eps;
        for iteration in 0..self.steps {
            let mut point = self.point(&x, &velocity, search)?;
            let mut gradient = self.gradient(iteration, &point, search, target)?;
            combine(&mut variance, 1.0, &gradient, 1.0)?;
            let blurred = blur(&variance, search.image, self.blur)?;
            momentum(&mut velocity, &blurred, self.decay)?;
            step(&mut x, &search.x0, &velocity, length, &search.ball)?;

            let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer(&x, &answer.predicted)?;
            if iteration + 1 == self.steps {
                break;
            }
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                let kept = [&mut x, &mut velocity, &mut point, &mut gradient];
                kept.into_iter()
                    .try_for_each(|array| gather_in_place(array, &rows))?;
            }
            variance = self.variance(iteration, &point, &gradient, search, target)?;
        }
        Ok(())
    }
}
