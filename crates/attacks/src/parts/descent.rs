//! The loop of every gradient attack.

use scoville_kernels::{Array, Loss, head, rivals};
use scoville_targets::Gradients;

use crate::parts::{Rule, Start};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

/// A gradient attack as the sum of its parts: climbs `loss` from `start` by `rule`, `steps` times, `restarts` times over.
///
/// A targeted loss aims each restart at another class: the ones that the target finds most likely on the clean sample
/// come first, and there are no more restarts than other classes.
///
/// Every point on the way is offered, the last one included, so a run costs `steps` gradient evaluations and one query
/// a restart (two with a targeted loss) for each sample that is not broken before.
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
        for restart in 0..restarts(self.loss, self.restarts, target) {
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
        let mut labels = labels(self.loss, restart, search, target)?;
        let mut walk = self.rule.begin(search)?;
        for iteration in 0..self.steps {
            let mut seen = target.gradient(&x, &labels, self.loss)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut labels, &rows)?;
                gather_in_place(&mut seen.loss, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
                walk.gather(&rows)?;
            }
            walk.advance(iteration, &mut x, seen, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)?;
        search.settle()
    }
}

/// How many restarts there are: a targeted loss has no more than other classes.
pub(crate) fn restarts(loss: Loss, wanted: usize, target: &dyn Gradients) -> usize {
    if loss.is_targeted() {
        wanted.min(target.classes().saturating_sub(1))
    } else {
        wanted
    }
}

/// The labels as the loss takes them.
pub(crate) fn labels(
    loss: Loss,
    restart: usize,
    search: &Search<'_>,
    target: &dyn Gradients,
) -> Result<Array<u32>, Error> {
    Ok(if loss.is_targeted() {
        rivals(&target.scores(&search.x0)?, &search.y, restart)?
    } else {
        search.y.copy()?
    })
}
