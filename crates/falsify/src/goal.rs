//! The margin of a conjunction, and what raises it.

use scoville_vnnlib::{Conjunction, Constraint};

/// The least slack of the constraints: at least 0 where all hold, -infinity where an output is not finite.
pub(crate) fn margin(conjunction: &[Constraint], outputs: &[f32]) -> f64 {
    if !outputs.iter().all(|y| y.is_finite()) {
        return f64::NEG_INFINITY;
    }
    let slacks = conjunction
        .iter()
        .map(|constraint| constraint.slack(outputs));
    slacks.fold(f64::INFINITY, f64::min)
}

/// The largest margin of any of the conjunctions, -infinity where there are none.
pub(crate) fn best_margin(any: &[Conjunction], outputs: &[f32]) -> f64 {
    let margins = any.iter().map(|conjunction| margin(conjunction, outputs));
    margins.fold(f64::NEG_INFINITY, f64::max)
}

/// The position of the conjunction that is closest to holding.
pub(crate) fn nearest(any: &[Conjunction], outputs: &[f32]) -> Option<usize> {
    let margins = any.iter().map(|all| margin(all, outputs)).enumerate();
    let best = margins.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(at, _)| at)
}

/// The positions of the `most` conjunctions that are closest to holding, the closest first.
pub(crate) fn closest(any: &[Conjunction], outputs: &[f32], most: usize) -> Vec<usize> {
    let margins: Vec<f64> = any.iter().map(|all| margin(all, outputs)).collect();
    let mut order: Vec<usize> = (0..any.len()).collect();
    order.sort_by(|&a, &b| margins[b].total_cmp(&margins[a]));
    order.truncate(most);
    order
}

/// The derivative of the summed slacks of the constraints that do not hold; of all where all hold.
pub(crate) fn derivative(conjunction: &[Constraint], outputs: &[f32], by: &mut [f32]) {
    let holds = margin(conjunction, outputs) >= 0.0;
    for constraint in conjunction {
        if holds || constraint.slack(outputs) < 0.0 {
            for &(output, factor) in &constraint.terms {
                if let Some(by) = by.get_mut(output) {
                    *by += factor as f32;
                }
            }
        }
    }
}

/// Whether the constraints only compare outputs with one another, so that a final softmax changes no verdict.
pub(crate) fn only_compares(any: &[Conjunction]) -> bool {
    let compares = |constraint: &Constraint| {
        let sum: f64 = constraint.terms.iter().map(|&(_, factor)| factor).sum();
        constraint.terms.len() == 2 && sum == 0.0 && constraint.bound == 0.0
    };
    any.iter().flatten().all(compares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Conjunction {
        vec![Constraint::at_least(1, 0), Constraint::at_least(1, 2)]
    }

    #[test]
    fn a_conjunction_is_as_good_as_its_worst_constraint() {
        assert_eq!(margin(&both(), &[1.0, 3.0, 2.5]), 0.5);
        assert_eq!(margin(&both(), &[1.0, f32::NAN, 2.5]), f64::NEG_INFINITY);
        assert_eq!(margin(&[], &[1.0]), f64::INFINITY);
        let any = [both(), vec![Constraint::at_least(0, 1)]];
        assert_eq!(best_margin(&any, &[1.0, 0.0, 5.0]), 1.0);
        assert_eq!(closest(&any, &[1.0, 0.0, 5.0], 2), [1, 0]);
        assert_eq!(nearest(&any, &[1.0, 0.0, 5.0]), Some(1));
        assert_eq!(nearest(&[], &[1.0]), None);
    }

    #[test]
    fn violated_constraints_pull() {
        let mut by = [0.0; 3];
        derivative(&both(), &[1.0, 2.0, 2.5], &mut by);
        assert_eq!(by, [0.0, 1.0, -1.0]);
        let mut by = [0.0; 3];
        derivative(&both(), &[3.0, 2.0, 2.5], &mut by);
        assert_eq!(by, [-1.0, 2.0, -1.0]);
    }
}
