//! Steps of a flow of mass between neighbouring pixels.
//!
//! The images in a Wasserstein ball are those that the flows in a ball of L1 make (Levine & Feizi 2020,
//! <https://arxiv.org/abs/1910.10783>), and an image stays in the range of pixels where its flow is made shorter. Like other
//! attacks in L1 (Croce & Hein 2021, <https://arxiv.org/abs/2103.01208>), it steps along few edges, and begins with flows that
//! are longer than what counts: asked about is each flow made as short as that.

use scoville_kernels::{
    Array, Ball, Map, Norm, Reduce, Zip, combine, flow_carry, flow_gains, flow_pour, map,
    project_l1, reduce_rows, sparse_step, zip,
};

use super::cosine;
use crate::{Error, Search, search::gather_in_place};

/// How much of the last direction stays in the next.
const MOMENTUM: f32 = 0.75;

/// A step goes along as many edges as could carry the whole flow, if each carried so much.
const LOAD: f32 = 0.5;

/// How many times as long as what counts flows may be, up to these tenths of all iterations.
const STAGES: [(usize, f32); 2] = [(3, 3.0), (6, 2.0)];

/// The flow of every running sample, and the way that it takes.
pub struct Flow {
    flow: Array,
    velocity: Array,
    /// The length that counts (n x 1): eps of the sample's mass.
    radius: Array,
    step: f32,
    iterations: usize,
}

impl Flow {
    /// No flow yet; `iterations` steps of `step` times the radius will follow, ever shorter ones.
    pub fn begin(step: f32, iterations: usize, search: &Search<'_>) -> Result<Self, Error> {
        let (device, n, edges) = (search.device(), search.running(), 2 * search.x0.cols());
        Ok(Self {
            flow: Array::zeros(&device, n, edges)?,
            velocity: Array::zeros(&device, n, edges)?,
            radius: radius(search)?,
            step,
            iterations,
        })
    }

    /// Moves `x` along the `gradient` there.
    pub fn advance(
        &mut self,
        iteration: usize,
        x: &mut Array,
        gradient: &Array,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let Search {
            x0, image, ball, ..
        } = search;
        let radius = scaled(&self.radius, self.stage(iteration))?;
        let long = flow_carry(x0, &self.flow, *image, ball)?;
        let gains = flow_gains(gradient, &long, *image, ball)?;
        self.turn(&gains, &radius)?;

        let mut change = self.velocity.copy()?;
        make_length(&mut change, &radius)?;
        let length = cosine(self.step, 0.0, iteration, self.iterations);
        pour(&mut self.flow, change, length, &long, &radius, search)?;
        let mut short = self.flow.copy()?;
        shorten(&mut short, &self.radius)?;
        *x = flow_carry(x0, &short, *image, ball)?;
        Ok(())
    }

    /// How many times as long as what counts flows may be.
    fn stage(&self, iteration: usize) -> f32 {
        let mut stages = STAGES.iter();
        let stage = stages.find(|(tenths, _)| 10 * iteration < tenths * self.iterations);
        stage.map_or(1.0, |&(_, times)| times)
    }

    /// Turns the velocity towards the edges that gain most, as many as flows of this `radius` load.
    fn turn(&mut self, gains: &Array, radius: &Array) -> Result<(), Error> {
        let unit = Array::filled(&gains.device(), gains.rows(), 1, 1.0)?;
        self.velocity = scaled(&self.velocity, MOMENTUM)?;
        let edges = scaled(radius, 1.0 / LOAD)?;
        Ok(sparse_step(&mut self.velocity, gains, &edges, &unit)?)
    }

    /// Keeps only `rows`.
    pub fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        gather_in_place(&mut self.flow, rows)?;
        gather_in_place(&mut self.velocity, rows)?;
        gather_in_place(&mut self.radius, rows)
    }
}

/// The length of the longest flows of every sample (n x 1): eps of its mass.
pub fn radius(search: &Search<'_>) -> Result<Array, Error> {
    scaled(&reduce_rows(&search.x0, Reduce::L1)?, search.ball.eps)
}

/// Adds `length` times `change` to `flow`, which makes the images `x`, as far as there is mass, and takes it back to the
/// nearest flow no longer than `radius` (n x 1).
pub fn pour(
    flow: &mut Array,
    mut change: Array,
    length: f32,
    x: &Array,
    radius: &Array,
    search: &Search<'_>,
) -> Result<(), Error> {
    combine(&mut change, length, flow, 1.0)?;
    let none = Array::zeros(&search.device(), change.rows(), change.cols())?;
    project_l1(&mut change, &none, radius, &ANY_FLOW)?;
    combine(&mut change, 1.0, flow, -1.0)?;
    flow_pour(flow, &change, x, search.image, &search.ball)?;
    shorten(flow, radius)
}

/// Of a ball of flows only the range counts, and there is none.
const ANY_FLOW: Ball = Ball {
    norm: Norm::L1,
    eps: f32::MAX,
    lo: f32::MIN,
    hi: f32::MAX,
};

/// Makes each row of `flow` that is longer in L1 as long as its `radius` (n x 1).
fn shorten(flow: &mut Array, radius: &Array) -> Result<(), Error> {
    let mut share = share(flow, radius)?;
    map(&mut share, Map::Clamp { lo: 0.0, hi: 1.0 })?;
    Ok(zip(flow, Zip::Multiply, &share)?)
}

/// Makes each row as long in L1 as its `radius`.
pub fn make_length(rows: &mut Array, radius: &Array) -> Result<(), Error> {
    let share = share(rows, radius)?;
    Ok(zip(rows, Zip::Multiply, &share)?)
}

/// `radius` over the length of each row, 0 where that is 0.
fn share(rows: &Array, radius: &Array) -> Result<Array, Error> {
    let mut share = reduce_rows(rows, Reduce::L1)?;
    map(&mut share, Map::Reciprocal)?;
    zip(&mut share, Zip::Multiply, radius)?;
    Ok(share)
}

fn scaled(array: &Array, scale: f32) -> Result<Array, Error> {
    let mut scaled = array.copy()?;
    map(&mut scaled, Map::Affine { scale, shift: 0.0 })?;
    Ok(scaled)
}
