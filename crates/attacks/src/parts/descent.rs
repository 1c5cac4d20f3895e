//! The loop of every gradient attack.

use scoville_kernels::{Loss, head};
use scoville_targets::Gradients;

use crate::parts::{Rule, Start};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

/// A gradient attack as the sum of its parts: climbs `loss` from `start` by `rule`, `steps` times, `restarts` times over.
///
/// Every point on the way is offered, the last one included, so a run costs `steps` gradient evaluations and one query
/// a restart for each sample that is not broken before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    pub loss: Loss,
    pub start: Start,
    pub rule: Rule,
    pub steps: usize,
    pub restarts: usize,
}

impl WhiteBox for Descent {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        for restart in 0..self.restarts {
            if search.is_done() {
                break;
            }
            self.walk(restart, search, target)?;
        }
        Ok(())
    }
}

impl Descent {
    fn walk(
        &self,
        restart: usize,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut x = self.start.place(search, restart)?;
        let mut walk = self.rule.begin(search)?;
        for iteration in 0..self.steps {
            let mut seen = target.gradient(&x, &search.y, self.loss)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut seen.loss, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
                walk.gather(&rows)?;
            }
            walk.advance(iteration, &mut x, seen, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, self.loss)?;
        search.offer(&x, &last.predicted)?;
        search.settle()
    }
}
