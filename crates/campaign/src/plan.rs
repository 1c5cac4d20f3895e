//! What a run will do.

mod error;

use scoville_atlas::catalogue;
use scoville_atlas::score::{Exposure, Impact};
use scoville_attacks::evasion::corruptions::SEVERITIES;
use scoville_attacks::{Access, Attack, Budget, Constraints, Goal, Measure, rows};
use scoville_kernels::Norm;
use scoville_report::event::{PlanInfo, PlannedTechnique};

use crate::FailOn;
use crate::order::attack_seed;

pub use error::PlanError;

/// AML.T0015, Evade AI Model: the worst of every evasion technique that ran.
pub const EVASION: &str = "AML.T0015";

/// The most words that an attack may change.
const MOST_EDITS: f64 = 1000.0;

/// A technique and the attacks that emulate it.
pub struct TechniquePlan {
    pub id: &'static str,
    /// In the order in which they run, each on what the ones before left. Empty for the union of the others.
    pub attacks: Vec<Attack>,
}

impl TechniquePlan {
    /// The technique's name in the ATLAS catalogue.
    pub fn name(&self) -> &'static str {
        catalogue::technique(self.id).map_or("", |t| t.name)
    }

    /// Whether one of its attacks needs gradients, or the trees.
    pub fn is_white_box(&self) -> bool {
        let mut attacks = self.attacks.iter();
        attacks.any(|a| a.access() >= Access::Gradients)
    }

    /// Whether one of its attacks makes do with scores or labels.
    pub fn is_black_box(&self) -> bool {
        let mut attacks = self.attacks.iter();
        attacks.any(|a| a.access() < Access::Gradients)
    }

    /// Whether its attacks run on a surrogate.
    pub fn is_transfer(&self) -> bool {
        self.attacks.iter().any(Attack::is_transfer)
    }

    /// The attacks in words.
    pub fn describe(&self) -> Vec<String> {
        self.attacks.iter().map(ToString::to_string).collect()
    }
}

/// What a run will do, checked.
pub struct Plan {
    /// What the ladder counts.
    pub measure: Measure,
    /// Budgets, ascending and distinct.
    pub ladder: Vec<f64>,
    /// Techniques that run attacks, in the order of the first attack of each.
    pub techniques: Vec<TechniquePlan>,
    pub seed: u64,
    /// Samples of the data that are not attacked: see [`set_aside`](crate::set_aside).
    pub aside: usize,
    /// What a sample must be taken for.
    pub goal: Goal,
    /// What may become of a sample, where the data are a table.
    pub constraints: Option<Constraints>,
    /// Samples a batch.
    pub batch: usize,
    /// Stop when no interval is wider.
    pub until_width: Option<f64>,
    pub exposure: Option<Exposure>,
    pub impact: Option<Impact>,
    pub fail_on: Vec<FailOn>,
}

impl Plan {
    /// A plan of `attacks` over `ladder`, grouped by technique; balls are in `norm`.
    pub fn new(attacks: Vec<Attack>, norm: Norm, ladder: Vec<f64>) -> Result<Self, PlanError> {
        let measure = measure(&attacks, norm)?;
        Self::over(attacks, measure, ladder)
    }

    /// The same of attacks on texts, whose budgets are shares of their words.
    pub fn in_shares(attacks: Vec<Attack>, ladder: Vec<f64>) -> Result<Self, PlanError> {
        match measure(&attacks, Norm::Linf)? {
            Measure::Edits => Self::over(attacks, Measure::Share, ladder),
            _ => Err(PlanError::ShareOfNothing),
        }
    }

    fn over(
        attacks: Vec<Attack>,
        measure: Measure,
        mut ladder: Vec<f64>,
    ) -> Result<Self, PlanError> {
        let norm = measure.norm();
        check_ladder(&ladder, measure)?;
        ladder.sort_by(f64::total_cmp);
        ladder.dedup();
        if ladder.is_empty() {
            return Err(PlanError::NoEps);
        }
        let mut techniques: Vec<TechniquePlan> = Vec::new();
        for attack in attacks {
            if !attack.row.budget.allows(measure) {
                return Err(PlanError::Norm {
                    attack: attack.name.to_string(),
                    norm,
                    known: known_in(norm),
                    own: list(attack.row.budget.norms()),
                });
            }
            match techniques.iter_mut().find(|t| t.id == attack.technique) {
                Some(technique) => technique.attacks.push(attack),
                None => techniques.push(TechniquePlan {
                    id: attack.technique,
                    attacks: vec![attack],
                }),
            }
        }
        Ok(Self {
            measure,
            ladder,
            techniques,
            seed: 0,
            aside: 0,
            goal: Goal::Any,
            constraints: None,
            batch: 128,
            until_width: None,
            exposure: None,
            impact: None,
            fail_on: Vec::new(),
        })
    }

    /// The rung of the ball that an attack looks in when it is the turn of rung `at`: one that seeks the nearest point looks
    /// once, in the largest.
    pub fn rung_of(&self, attack: &Attack, at: usize) -> usize {
        match attack.is_minimal() {
            true => self.ladder.len() - 1,
            false => at,
        }
    }

    /// The seed of an attack at one eps: of one that seeks the nearest point always the same, so that its curve does not depend on
    /// how far the ladder goes.
    pub fn seed_of(&self, attack: &Attack, eps: f64) -> u64 {
        let eps = if attack.is_minimal() { 0.0 } else { eps };
        attack_seed(self.seed, &attack.name, eps)
    }

    /// The place of the first attack of technique `t` among all attacks of the plan.
    pub fn first_attack(&self, t: usize) -> usize {
        self.techniques
            .iter()
            .take(t)
            .map(|t| t.attacks.len())
            .sum()
    }

    /// The first rung whose ball reaches as far as `distance`.
    pub fn reach(&self, distance: f64) -> usize {
        self.ladder.partition_point(|&eps| eps < distance)
    }

    /// Refuses thresholds for techniques that this plan does not measure, and widths that can never be reached.
    pub fn check(&self) -> Result<(), PlanError> {
        let measured: Vec<&str> = self
            .techniques
            .iter()
            .map(|t| t.id)
            .chain([EVASION])
            .collect();
        for id in self.fail_on.iter().filter_map(FailOn::technique) {
            if !measured.contains(&id) {
                return Err(PlanError::FailOn {
                    technique: id.into(),
                    measured: measured.join(", "),
                });
            }
        }
        match self.until_width {
            Some(width) if !(width > 0.0 && width < 1.0) => Err(PlanError::Width(width)),
            _ => Ok(()),
        }
    }

    /// Refuses transfer attacks where there is no surrogate, and a surrogate that none of them uses.
    pub fn check_surrogate(&self, given: bool) -> Result<(), PlanError> {
        let mut attacks = self.techniques.iter().flat_map(|t| &t.attacks);
        match (attacks.find(|a| a.is_transfer()), given) {
            (Some(attack), false) => Err(PlanError::NoSurrogate(attack.name.to_string())),
            (None, true) => Err(PlanError::IdleSurrogate),
            _ => Ok(()),
        }
    }

    /// Refuses a class to reach that is none of the model's, and attacks that cannot be led to one.
    pub fn check_goal(&self, classes: usize) -> Result<(), PlanError> {
        let mut attacks = self.techniques.iter().flat_map(|t| &t.attacks);
        let aimless = attacks.find(|attack| !attack.algorithm.has_aim());
        match self.goal {
            Goal::Any => Ok(()),
            _ if let Some(attack) = aimless => Err(PlanError::Aimless(attack.name.to_string())),
            Goal::Class(class) if class as usize >= classes => {
                Err(PlanError::Target { class, classes })
            }
            _ => Ok(()),
        }
    }

    /// Refuses attacks whose loss is not defined for a model of so few `classes`.
    pub fn check_classes(&self, classes: usize) -> Result<(), PlanError> {
        let attacks = || self.techniques.iter().flat_map(|t| &t.attacks);
        let Some(attack) = attacks().find(|a| a.row.least_classes > classes) else {
            return Ok(());
        };
        let fit = attacks().filter(|a| a.row.least_classes <= classes);
        let rest: Vec<&str> = fit.map(|a| &*a.name).collect();
        Err(PlanError::Classes {
            attack: attack.name.to_string(),
            least: attack.row.least_classes,
            classes,
            advice: match rest.as_slice() {
                [] => "run others, for example --attacks apgd-ce,square".into(),
                rest => format!("leave it out: --attacks {}", rest.join(",")),
            },
        })
    }

    /// Refuses corruptions of images and moves between pixels for samples that are no images.
    pub fn check_shape(&self, shape: &[usize]) -> Result<(), PlanError> {
        if self.measure == Measure::Norm(Norm::Wasserstein) && shape.len() != 3 {
            return Err(PlanError::Pixels(shape.into()));
        }
        let mut attacks = self.techniques.iter().flat_map(|t| &t.attacks);
        match attacks.find(|a| a.row.budget == Budget::Severity && shape.len() != 3) {
            Some(attack) => Err(PlanError::Images {
                attack: attack.row.name.into(),
                shape: shape.into(),
            }),
            None => Ok(()),
        }
    }

    /// Refuses attacks that read trees where the model has none, or more than they take.
    pub fn check_trees(&self, trees: Option<usize>) -> Result<(), PlanError> {
        for attack in self.attacks() {
            let name = || attack.row.name.to_owned();
            match (attack.most_trees(), trees) {
                (Some(_), None) => return Err(PlanError::NoTrees(name())),
                (Some(most), Some(trees)) if trees > most => {
                    let attack = name();
                    return Err(PlanError::Trees {
                        attack,
                        most,
                        trees,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn attacks(&self) -> impl Iterator<Item = &Attack> {
        self.techniques.iter().flat_map(|t| &t.attacks)
    }

    /// Whether an attack of the plan needs this and nothing less.
    pub(crate) fn reaches_for(&self, access: Access) -> bool {
        self.attacks().any(|a| a.access() == access)
    }

    /// The plan in the words of `run.started`.
    pub fn info(&self) -> PlanInfo {
        let union = TechniquePlan {
            id: EVASION,
            attacks: Vec::new(),
        };
        let techniques = self.techniques.iter().chain([&union]);
        PlanInfo {
            norm: self.measure.to_string(),
            eps_ladder: self.ladder.clone(),
            batch: self.batch,
            goal: (self.goal != Goal::Any).then(|| self.goal.to_string()),
            exposure: self.exposure.map(|e| e.name().into()),
            impact: self.impact.map(|i| i.name().into()),
            techniques: techniques
                .map(|t| PlannedTechnique {
                    id: t.id.into(),
                    name: t.name().into(),
                    attacks: t.describe(),
                })
                .collect(),
        }
    }
}

/// The attacks that can run in `norm`.
fn known_in(norm: Norm) -> String {
    let known = rows()
        .iter()
        .filter(|row| row.budget.norms().contains(&norm));
    known.map(|row| row.name).collect::<Vec<_>>().join(", ")
}

fn list(norms: &[Norm]) -> String {
    let names: Vec<String> = norms.iter().map(Norm::to_string).collect();
    names.join(", ")
}

/// What the budgets of all attacks count, where balls are in `norm`.
fn measure(attacks: &[Attack], norm: Norm) -> Result<Measure, PlanError> {
    let first = attacks.first().ok_or(PlanError::NoAttacks)?;
    let of = |attack: &Attack| attack.row.budget.measure(norm);
    match attacks.iter().find(|attack| of(attack) != of(first)) {
        None => Ok(of(first)),
        Some(attack) => Err(PlanError::Mixed {
            first: first.row.name.into(),
            measure: of(first),
            attack: attack.row.name.into(),
            other: of(attack),
        }),
    }
}

fn check_ladder(ladder: &[f64], measure: Measure) -> Result<(), PlanError> {
    let refused = |allowed: &dyn Fn(f64) -> bool| ladder.iter().copied().find(|&b| !allowed(b));
    // Pixels lie in [0,1], so no Linf ball above 1 means anything; other distances can be longer.
    let most = if measure == Measure::Norm(Norm::Linf) {
        1.0
    } else {
        1e6
    };
    let error = match measure {
        Measure::Norm(Norm::L0) => {
            refused(&|n| n.fract() == 0.0 && (1.0..=most).contains(&n)).map(PlanError::Elements)
        }
        Measure::Norm(_) => {
            refused(&|eps| eps > 0.0 && eps <= most).map(|eps| PlanError::Eps(eps, most))
        }
        Measure::Severity => refused(&|s| SEVERITIES.contains(&s)).map(PlanError::Severity),
        Measure::Share => refused(&|p| p > 0.0 && p <= 1.0).map(|p| PlanError::Share(100.0 * p)),
        Measure::Edits => {
            refused(&|n| n.fract() == 0.0 && (1.0..=MOST_EDITS).contains(&n)).map(PlanError::Edits)
        }
    };
    error.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scoville_attacks::parse;

    fn plan(names: &[&str], ladder: &[f64]) -> Result<Plan, PlanError> {
        let attacks = names.iter().map(|n| parse(n).unwrap()).collect();
        Plan::new(attacks, Norm::Linf, ladder.to_vec())
    }

    #[test]
    fn every_registered_attack_names_a_technique_of_the_catalogue() {
        for row in rows() {
            assert!(
                catalogue::technique(row.technique).is_some(),
                "{}",
                row.name
            );
        }
        assert!(catalogue::technique(EVASION).is_some());
    }

    #[test]
    fn attacks_are_grouped_by_technique_and_the_ladder_is_sorted() {
        let plan = plan(&["pgd", "square", "apgd-ce"], &[0.1, 0.02, 0.1]).unwrap();
        assert_eq!(plan.ladder, [0.02, 0.1]);
        let ids: Vec<_> = plan
            .techniques
            .iter()
            .map(|t| (t.id, t.attacks.len()))
            .collect();
        assert_eq!(ids, [("AML.T0043.000", 2), ("AML.T0043.001", 1)]);
        assert_eq!(plan.info().techniques.len(), 3);
    }

    #[test]
    fn a_distance_is_booked_at_the_first_rung_that_reaches_it() {
        let plan = plan(&["deepfool"], &[0.1, 0.2, 0.4]).unwrap();
        for (distance, rung) in [
            (0.0, 0),
            (0.1, 0),
            (0.1 + 1e-12, 1),
            (0.2, 1),
            (0.39, 2),
            (0.4, 2),
            (0.41, 3),
            (f64::INFINITY, 3),
        ] {
            assert_eq!(plan.reach(distance), rung, "{distance}");
        }
    }

    #[test]
    fn what_cannot_run_is_refused() {
        assert!(matches!(plan(&[], &[0.1]), Err(PlanError::NoAttacks)));
        assert!(matches!(plan(&["pgd"], &[]), Err(PlanError::NoEps)));
        for eps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.5] {
            assert!(
                matches!(plan(&["pgd"], &[eps]), Err(PlanError::Eps(..))),
                "{eps}"
            );
        }
        let in_l1 = Plan::new(vec![parse("ti-fgsm").unwrap()], Norm::L1, vec![0.1]);
        let error = in_l1.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(
            error.starts_with("ti-fgsm cannot run in l1, but in linf, l2; in l1 run pgd,"),
            "{error}"
        );
        let moved = parse("wasserstein").unwrap();
        let moved = Plan::new(vec![moved], Norm::Wasserstein, vec![0.1]).unwrap();
        assert!(moved.check_shape(&[1, 28, 28]).is_ok());
        assert!(matches!(
            moved.check_shape(&[784]),
            Err(PlanError::Pixels(_))
        ));
        let mut gated = plan(&["pgd"], &[0.1]).unwrap();
        gated.fail_on = vec!["AML.T0043.001=5".parse().unwrap()];
        assert!(matches!(gated.check(), Err(PlanError::FailOn { .. })));
        gated.fail_on = vec!["AML.T0015=5".parse().unwrap(), "high".parse().unwrap()];
        assert!(gated.check().is_ok());
        let fog = plan(&["corrupt-fog"], &[5.0, 1.0]).unwrap();
        assert_eq!(
            (fog.measure, fog.ladder.as_slice()),
            (Measure::Severity, [1.0, 5.0].as_slice())
        );
        assert!(fog.check_shape(&[3, 32, 32]).is_ok());
        assert!(matches!(
            fog.check_shape(&[14]),
            Err(PlanError::Images { .. })
        ));
        for severity in [0.0, 0.5, 6.0, f64::NAN] {
            let error = plan(&["corrupt-fog"], &[severity]);
            assert!(matches!(error, Err(PlanError::Severity(_))), "{severity}");
        }
        for elements in [0.5, 1.5, 0.0, f64::NAN] {
            let error = Plan::new(vec![parse("fmn").unwrap()], Norm::L0, vec![elements]);
            assert!(matches!(error, Err(PlanError::Elements(_))), "{elements}");
        }
        let mixed = plan(&["pgd", "corrupt-fog"], &[1.0]);
        assert!(matches!(mixed, Err(PlanError::Mixed { .. })));
        let few = plan(&["apgd-ce", "apgd-t"], &[0.1]).unwrap();
        assert!(few.check_classes(4).is_ok());
        let mut aimed = plan(&["pgd"], &[0.1]).unwrap();
        aimed.goal = Goal::Class(3);
        assert!(aimed.check_goal(4).is_ok());
        assert!(matches!(aimed.check_goal(3), Err(PlanError::Target { .. })));
        let mut vat = plan(&["vat"], &[0.1]).unwrap();
        assert!(vat.check_goal(4).is_ok());
        vat.goal = Goal::Second;
        assert!(matches!(vat.check_goal(4), Err(PlanError::Aimless(_))));
        let error = few.check_classes(3).unwrap_err().to_string();
        assert!(
            error.contains("apgd-t needs") && error.ends_with("--attacks apgd-ce"),
            "{error}"
        );
        gated.until_width = Some(0.0);
        assert!(matches!(gated.check(), Err(PlanError::Width(_))));
    }
}
