//! Checks of the attacks: whether others, or the same with more to spend, break what the run's white-box attacks left.

use scoville_atlas::evidence::{Check, Finding};
use scoville_attacks::evasion::gradients::{apgd::apgd, fgsm::fgsm, wasserstein::wasserstein};
use scoville_attacks::evasion::nearest::{jsma::Jsma, sigma_zero::SigmaZero};
use scoville_attacks::evasion::scores::square::Square;
use scoville_attacks::{Access, Algorithm, Attack, Problem, Success, WhiteBox, driver};
use scoville_kernels::{Loss, Norm};

use super::{Open, Probe, finding, not_run};
use crate::Error;

impl Probe<'_> {
    /// The checks that attack what stands.
    pub(super) fn of_attacks(&self, broken: &[Option<usize>]) -> Result<Vec<Finding>, Error> {
        let rung = self.plan.ladder.len() / 2;
        let eps = self.plan.ladder[rung];
        let all = 0..self.n();
        let standing: Vec<usize> = all
            .filter(|&row| broken[row].is_none_or(|at| at > rung))
            .collect();
        Ok(vec![
            self.single_step(standing.clone(), eps)?,
            self.loss_curve(standing.clone(), eps)?,
            self.more_iterations(standing.clone(), eps)?,
            self.other_attacks(standing, eps)?,
            self.unbounded_eps(broken)?,
        ])
    }

    /// FGSM, in L0 a step of JSMA and in Wasserstein one of the flow, must not break what the iterative attacks could not.
    fn single_step(&self, standing: Vec<usize>, eps: f64) -> Result<Finding, Error> {
        let step = Jsma {
            steps: 1,
            elements: eps as usize,
        };
        let (name, attack): (_, Box<dyn WhiteBox>) = match self.plan.measure.norm() {
            Norm::L0 => ("a step of JSMA", Box::new(step)),
            Norm::Wasserstein => (
                "a step of the flow",
                Box::new(wasserstein(Loss::Margin, 1, 2.0)),
            ),
            _ => ("FGSM", Box::new(fgsm())),
        };
        let attack = Algorithm::WhiteBox(attack);
        let run = |problem: &Problem<'_>| Ok(driver::run(&attack, self.target, problem)?);
        let left = self.left_by(standing.clone(), "check fgsm", eps, run)?;
        let missed = standing.len() - left.len();
        let detail = format!("{name} alone breaks {missed} of {} samples", self.n());
        Ok(finding(Check::SingleStepBeatsIterative, missed > 0, detail))
    }

    /// Twice the iterations on what stands at the middle of the ladder.
    fn more_iterations(&self, standing: Vec<usize>, eps: f64) -> Result<Finding, Error> {
        let check = Check::MoreIterationsGain;
        let longer: Vec<Attack> = self.attacks().filter_map(Attack::longer).collect();
        if longer.is_empty() {
            return Ok(not_run(check, "no attack of this run iterates"));
        }
        let mut left = standing.clone();
        for attack in &longer {
            let run = |problem: &Problem<'_>| Ok(attack.run(self.target, None, problem)?);
            left = self.left_by(left, &attack.name, eps, run)?;
        }
        let gain = standing.len() - left.len();
        let detail = format!(
            "twice the iterations break {gain} more of {} samples",
            self.n()
        );
        Ok(finding(check, self.more_than_tolerated(gain), detail))
    }

    /// What stands at the middle of the ladder against a loss that neither saturates nor depends on the scale of the
    /// logits, and against search on the scores where the run has none.
    fn other_attacks(&self, standing: Vec<usize>, eps: f64) -> Result<Finding, Error> {
        let sparse = SigmaZero {
            steps: 100,
            threshold: 0.3,
            sigma: 1e-3,
        };
        let norm = self.plan.measure.norm();
        let (name, margin): (_, Box<dyn WhiteBox>) = match norm {
            Norm::L0 => ("sigma-zero", Box::new(sparse)),
            Norm::Wasserstein => (
                "wasserstein on the cross-entropy",
                Box::new(wasserstein(Loss::CrossEntropy, 50, 2.0)),
            ),
            _ => ("APGD on the margin", Box::new(apgd(Loss::Margin, 50, 1))),
        };
        let margin = Algorithm::WhiteBox(margin);
        let run = |problem: &Problem<'_>| Ok(driver::run(&margin, self.target, problem)?);
        let mut left = self.left_by(standing.clone(), "check margin", eps, run)?;
        let mut attacks = self.plan.techniques.iter().flat_map(|t| &t.attacks);
        let scores = attacks.any(|a| a.access() == Access::Scores);
        let square = !scores && !matches!(norm, Norm::L0 | Norm::Wasserstein);
        if square {
            let square = Algorithm::BlackBox(Box::new(Square {
                queries: 300,
                schedule: 1.0,
            }));
            let run = |problem: &Problem<'_>| Ok(driver::run(&square, self.target, problem)?);
            left = self.left_by(left, "check square", eps, run)?;
        }
        let gain = standing.len() - left.len();
        let verb = if square {
            " and Square break"
        } else {
            " breaks"
        };
        let detail = format!("{name}{verb} {gain} more of {} samples", self.n());
        let warned = self.more_than_tolerated(gain);
        Ok(finding(Check::OtherAttacksGain, warned, detail))
    }

    /// With a ball that holds the whole input range, every sample must fall. What fell in a smaller one does.
    fn unbounded_eps(&self, broken: &[Option<usize>]) -> Result<Finding, Error> {
        if self.plan.constraints.is_some() {
            let why = "what may not change can hold a row of a table at any eps";
            return Ok(not_run(Check::UnboundedEpsFails, why));
        }
        if self.attacks().all(|attack| attack.algorithm.is_universal()) {
            let why = "what all samples share makes them one class, and those of that class stand at any eps";
            return Ok(not_run(Check::UnboundedEpsFails, why));
        }
        let eps = match self.plan.measure.norm() {
            Norm::Linf => 1.0,
            Norm::L2 => (self.cols() as f64).sqrt(),
            Norm::L1 | Norm::L0 => self.cols() as f64,
            // No two pixels are farther apart.
            Norm::Wasserstein => self.target.sample_shape().iter().skip(1).sum::<usize>() as f64,
        };
        let all = 0..self.n();
        let mut left: Vec<usize> = all.filter(|&row| broken[row].is_none()).collect();
        for attack in self.attacks() {
            let run = |problem: &Problem<'_>| Ok(attack.run(self.target, None, problem)?);
            left = self.left_by(left, "check unbounded", eps, run)?;
        }
        let detail = format!("{} of {} samples stand at eps {eps}", left.len(), self.n());
        Ok(finding(Check::UnboundedEpsFails, !left.is_empty(), detail))
    }

    /// The rows that an attack leaves standing.
    fn left_by(
        &self,
        rows: Vec<usize>,
        purpose: &str,
        eps: f64,
        attack: impl FnOnce(&Problem<'_>) -> Result<Vec<Success>, Error>,
    ) -> Result<Vec<usize>, Error> {
        let open = Open::of(self, rows);
        let mut left = vec![true; open.rows.len()];
        for success in attack(&open.problem(self, purpose, eps))? {
            left[success.row] = false;
        }
        let rows = open.rows.into_iter().zip(left);
        Ok(rows.filter_map(|(row, left)| left.then_some(row)).collect())
    }

    pub(super) fn attacks(&self) -> impl Iterator<Item = &Attack> {
        let attacks = self.plan.techniques.iter().flat_map(|t| &t.attacks);
        attacks.filter(|a| a.access() == Access::Gradients)
    }
}
