//! Where valid samples lie in a box, and how far the nearest of them is from the clean one.

use std::ops::Range;

use scoville_kernels::Norm;

use super::forest::Limit;
use crate::constraints::Element;
use crate::{Constraints, Search};

/// Numbers are put this far beyond a threshold where the box has room: devices may round a model's input apart.
const BEYOND: f32 = 1e-6;

/// What the sum counts beside the largest.
const TIE: f64 = 1e-7;

pub(super) struct Space {
    pub elements: Vec<Element>,
    /// Numbers and one-hot groups.
    pub units: Vec<Range<usize>>,
    /// The unit of each element.
    unit_of: Vec<usize>,
    pub norm: Norm,
}

/// A number, free in [0, 1].
const FREE: Element = Element {
    levels: 0,
    may_rise: true,
    may_fall: true,
    group: 1,
};

impl Space {
    /// That of the samples of `search`, each of so many elements.
    pub fn new(search: &Search<'_>, cols: usize) -> Self {
        let elements = match search.constraints() {
            Some(constraints) => constraints.elements.clone(),
            None => vec![FREE; cols],
        };
        let constraints = Constraints {
            importance: Vec::new(),
            elements,
        };
        let units: Vec<Range<usize>> = constraints.units().map(|(_, unit)| unit).collect();
        let members = units.iter().enumerate();
        let unit_of = members.flat_map(|(at, unit)| vec![at; unit.len()]);
        Self {
            unit_of: unit_of.collect(),
            units,
            elements: constraints.elements,
            norm: search.ball.norm,
        }
    }

    pub fn unit(&self, element: usize) -> Option<usize> {
        self.unit_of.get(element).copied()
    }

    /// What moving a unit into `limit` of each of its elements costs, as [`total`](Self::total) adds it up; `None` where no
    /// valid value lies there.
    pub fn cost(
        &self,
        unit: usize,
        clean: &[f32],
        limit: impl Fn(usize) -> (f32, f32),
    ) -> Option<f64> {
        let unit = self.units.get(unit)?.clone();
        if unit.len() > 1 {
            let clean_category = hot(&clean[unit.clone()]);
            let category = self.category(unit, clean_category, limit)?;
            let changed = f64::from(u8::from(category != clean_category));
            return Some(if self.norm == Norm::Linf { 1.0 } else { 2.0 } * changed);
        }
        let element = self.elements[unit.start];
        let value = number(element, clean[unit.start], limit(unit.start))?;
        let moved = element.moved(clean[unit.start], value).abs();
        Some(match self.norm {
            Norm::Linf | Norm::L1 => moved,
            Norm::L2 => moved * moved,
            _ => f64::from(u8::from(moved > 0.0)),
        })
    }

    /// Costs of units put together; of which the order is that of the distances. In Linf the largest, and of equally large
    /// ones the smaller sum.
    pub fn total(&self, costs: impl Iterator<Item = f64>) -> f64 {
        let both = costs.fold((0.0, 0.0), |(most, sum), cost| (cost.max(most), sum + cost));
        self.joined(both)
    }

    /// The total of costs whose largest and sum are these.
    pub fn joined(&self, (most, sum): (f64, f64)) -> f64 {
        match self.norm {
            Norm::Linf => most + TIE * sum,
            _ => sum,
        }
    }

    /// The nearest valid sample in `limit` of each element.
    pub fn nearest(&self, clean: &[f32], limit: impl Fn(usize) -> (f32, f32)) -> Option<Vec<f32>> {
        let mut x = clean.to_vec();
        for unit in &self.units {
            if unit.len() == 1 {
                let j = unit.start;
                x[j] = number(self.elements[j], clean[j], limit(j))?;
                continue;
            }
            let category = self.category(unit.clone(), hot(&clean[unit.clone()]), &limit)?;
            for (k, j) in unit.clone().enumerate() {
                x[j] = f32::from(u8::from(k == category));
            }
        }
        Some(x)
    }

    /// The clean category of a group if `limit` lets it stay, else the first that it allows.
    fn category(
        &self,
        group: Range<usize>,
        clean: usize,
        limit: impl Fn(usize) -> (f32, f32),
    ) -> Option<usize> {
        let holds = |value: f32, j: usize| {
            let (low, high) = limit(j);
            low < value && value <= high
        };
        // Elements that must be 1, and those that may be.
        let mut must = None;
        for (k, j) in group.clone().enumerate() {
            if !holds(0.0, j) {
                if must.is_some() {
                    return None;
                }
                must = Some(k);
            }
        }
        let element = self.elements[group.start];
        let may = |k: usize| holds(1.0, group.start + k) && must.is_none_or(|must| must == k);
        if may(clean) {
            return Some(clean);
        }
        let free = element.may_rise || element.may_fall;
        (0..group.len()).find(|&k| free && may(k))
    }
}

/// Which element of a group is 1.
fn hot(group: &[f32]) -> usize {
    group.iter().position(|&v| v > 0.5).unwrap_or(0)
}

/// The valid number nearest to the clean one above `low` and at most at `high`.
pub(super) fn number(element: Element, clean: f32, (low, high): (f32, f32)) -> Option<f32> {
    if low < clean && clean <= high {
        return Some(clean);
    }
    let rises = clean <= low;
    let may = if rises {
        element.may_rise
    } else {
        element.may_fall
    };
    if !may {
        return None;
    }
    let value = match (element.levels, rises) {
        (0, true) => (low + BEYOND).min(high).max(low.next_up()),
        (0, false) => (high - BEYOND).max(low.next_up()).min(high),
        (levels, _) => step(levels, (low, high), rises),
    };
    (low < value && value <= high && (0.0..=1.0).contains(&value)).then_some(value)
}

/// The first step above `low`, or the last one up to `high`.
fn step(levels: u32, (low, high): (f32, f32), first: bool) -> f32 {
    let n = f64::from(levels);
    let at = |k: f64| (k / n) as f32;
    // A limit may be a step but for rounding.
    let near = (f64::from(if first { low } else { high }) * n).round();
    let mut steps = [-1.0, 0.0, 1.0].map(|k| at(near + k)).into_iter();
    if first {
        steps.find(|&v| v > low).unwrap_or(at(near + 2.0))
    } else {
        steps.rfind(|&v| v <= high).unwrap_or(at(near - 2.0))
    }
}

/// The limits that a leaf's path sets, of element `j`.
pub(super) fn limit_of(limits: &[Limit], j: usize) -> (f32, f32) {
    let own = limits.iter().find(|limit| limit.element == j);
    own.map_or((-1.0, 1.0), |limit| (limit.low, limit.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_just_over_a_threshold_or_to_the_next_step() {
        let fixed = Element {
            may_rise: false,
            ..FREE
        };
        let tenths = Element { levels: 10, ..FREE };
        for (element, clean, limit, expected) in [
            (FREE, 0.5, (0.2, 0.6), Some(0.5)),
            (FREE, 0.5, (0.5, 0.6), Some(0.5 + BEYOND)),
            (FREE, 0.5, (-1.0, 0.25), Some(0.25 - BEYOND)),
            (FREE, 0.5, (0.25f32.next_down(), 0.25), Some(0.25)),
            (fixed, 0.5, (0.5, 0.6), None),
            (fixed, 0.5, (-1.0, 0.25), Some(0.25 - BEYOND)),
            (tenths, 0.5, (0.55, 0.95), Some(0.6)),
            (tenths, 0.5, (0.1, 0.45), Some(0.4)),
            (tenths, 0.5, (0.7, 0.95), Some(0.8)),
            (tenths, 0.5, (0.71, 0.79), None),
            (tenths, 0.5, (-1.0, 0.0), Some(0.0)),
            (FREE, 0.5, (1.0, 1.0), None),
        ] {
            assert_eq!(number(element, clean, limit), expected, "{clean} {limit:?}");
        }
    }
}
