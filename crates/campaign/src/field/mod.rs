//! What the samples of a run are, numbers or texts: how a target is asked about them, and how they are attacked.

mod numbers;
mod texts;

pub(crate) use numbers::Numbers;
pub(crate) use texts::Texts;

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::Finding;
use scoville_attacks::{Attack, Success};
use scoville_report::SampleStrip;
use scoville_report::event::{SampleChanged, TextBroken};
use scoville_targets::{Metered, OnDevice};

use crate::run::{Place, Samples};
use crate::{Error, Plan};

/// What of an attack runs side by side.
#[derive(Clone, Copy)]
pub(crate) struct Abreast<'a> {
    pub budgets: &'a [f64],
    /// The most parts that its restarts are cut into.
    pub parts: usize,
}

/// The samples of a run.
pub(crate) trait Field: Sync {
    type Target: OnDevice + Send + Sync;
    /// What transfer attacks run on.
    type Surrogate: OnDevice + Send + Sync;
    /// A sample as an attack leaves it.
    type Found: Send;

    /// One a sample.
    fn labels(&self) -> &[u32];
    /// Classes that the data know of.
    fn classes(&self) -> usize;

    /// The target's answers to the samples `rows`, and the values of those that it gets right.
    fn clean(
        &self,
        target: &Metered<Self::Target>,
        rows: &[usize],
    ) -> Result<(Vec<u32>, Vec<f32>), Error>;

    /// Runs `attack` on `samples` with each budget.
    fn attack(
        &self,
        at: Place<'_, Self::Target, Self::Surrogate>,
        attack: &Attack,
        samples: &Samples,
        plan: &Plan,
        abreast: Abreast<'_>,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<Success<Self::Found>>>, Error>;

    /// The first rung whose budget reaches as far as `distance` from a sample.
    fn reach(&self, plan: &Plan, sample: u32, distance: f64) -> usize;

    /// The reliability checks on a probe; `white_box` is the rung at which white-box attacks broke each of it.
    fn findings(
        &self,
        plan: &Plan,
        target: &Metered<Self::Target>,
        probe: Samples,
        white_box: Option<Vec<Option<usize>>>,
        stop: &AtomicBool,
    ) -> Result<Vec<Finding>, Error>;

    /// What there is to show of a success.
    fn exhibit(
        &self,
        attack: &Attack,
        budget: f64,
        samples: &Samples,
        success: &Success<Self::Found>,
    ) -> Option<Exhibit>;
}

/// An example of what was found.
pub(crate) enum Exhibit {
    Image(SampleStrip),
    Text(TextBroken),
    Row(SampleChanged),
}
