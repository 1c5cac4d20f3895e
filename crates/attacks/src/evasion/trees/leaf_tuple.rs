//! Leaf tuples: an adversarial point of an ensemble lies in the box where a leaf of each tree meet; from there to the tuple
//! that differs in one tree and whose box is nearest to the sample, as long as one is nearer and still misclassified.
//!
//! Zhang et al. 2020, <https://arxiv.org/abs/2010.11598>. Where trees split at the same numbers, as they do in tables, no one
//! tree can let a box nearer; so each element by itself also goes back as many thresholds as it may.

use scoville_kernels::Image;
use scoville_kernels::philox::{philox4x32, unit};
use scoville_targets::Labels;

use super::forest::{Leaf, Limit};
use super::space::{limit_of, number};
use super::{Sample, each};
use crate::driver::Structure;
use crate::projection::distance;
use crate::registry::{ALL, Access, Algorithm, Row, WHITE_BOX, whole};
use crate::{Error, Search, TreeAttack};

pub const ROW: Row = Row {
    name: "leaf-tuple",
    summary: "Walks over boxes where a leaf of each tree meet, to nearer misclassified ones",
    technique: WHITE_BOX,
    access: Access::Trees,
    budget: ALL,
    least_classes: 2,
    parameters: &[whole(
        "starts",
        20.0,
        1e5,
        "walks from new misclassified points",
    )],
    paper: "Zhang 2020, arXiv:2010.11598",
    build: |v| {
        Algorithm::Trees(Box::new(LeafTuple {
            starts: v.whole("starts"),
        }))
    },
};

/// Random points that are tried for a start.
const TRIES: u32 = 50;

/// The shares of the features that a random point changes, one after the other.
const SHARES: [f32; 4] = [1.0, 0.5, 0.25, 0.1];

/// Halvings of the straight line.
const HALVINGS: usize = 12;

/// The walk over leaf tuples from so many random starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafTuple {
    pub starts: usize,
}

impl TreeAttack for LeafTuple {
    fn run(
        &self,
        search: &mut Search<'_>,
        target: &dyn Labels,
        structure: &Structure<'_>,
    ) -> Result<(), Error> {
        let seed = search.seed;
        each(search, target, structure, |sample| {
            self.nearest(seed, sample)
        })
    }
}

impl LeafTuple {
    fn nearest(&self, seed: u64, sample: &Sample<'_>) -> Option<Vec<f32>> {
        let walks = (0..self.starts as u32).filter_map(|number| {
            let mut draws = Draws::new(seed, sample.id, number);
            let start = match number {
                0 => sample.climbed().or_else(|| sample.start(&mut draws))?,
                _ => sample.start(&mut draws)?,
            };
            // Every other one first goes back along the straight line, on which all elements change together.
            let start = match number % 2 {
                0 => start,
                _ => sample.halved(start),
            };
            sample.descend(start, &mut draws)
        });
        let best = walks.min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(best.1)
    }
}

/// Random words of a sample: as many as are asked for.
struct Draws {
    key: [u32; 2],
    counter: [u32; 4],
    left: Vec<f32>,
}

impl Draws {
    fn new(seed: u64, id: u32, number: u32) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, id, number, 0],
            left: Vec::new(),
        }
    }

    /// 0 to n - 1 in random order.
    fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let other = (self.next() * (i + 1) as f32) as usize;
            order.swap(i, other.min(i));
        }
        order
    }

    fn next(&mut self) -> f32 {
        if self.left.is_empty() {
            let words = philox4x32(self.counter, self.key);
            self.left = words.map(unit).into();
            self.counter[0] = self.counter[0].wrapping_add(1);
        }
        self.left.pop().unwrap_or_default()
    }
}

impl Sample<'_> {
    /// A random valid point that is misclassified.
    fn start(&self, draws: &mut Draws) -> Option<Vec<f32>> {
        (0..TRIES).find_map(|attempt| {
            let share = SHARES[attempt as usize % SHARES.len()];
            let mut x = self.clean.to_vec();
            for unit in 0..self.space.units.len() {
                if draws.next() < share {
                    self.draw(unit, draws, &mut x);
                }
            }
            self.forest.is_wrong_at(&x, self.label).then_some(x)
        })
    }

    /// Another valid value of a unit.
    fn draw(&self, unit: usize, draws: &mut Draws, x: &mut [f32]) {
        let unit = self.space.units[unit].clone();
        let element = self.space.elements[unit.start];
        let u = draws.next();
        if unit.len() > 1 {
            if element.may_rise || element.may_fall {
                let category = (u * unit.len() as f32) as usize;
                for (k, j) in unit.enumerate() {
                    x[j] = f32::from(u8::from(k == category));
                }
            }
            return;
        }
        let clean = self.clean[unit.start];
        let low = if element.may_fall { 0.0 } else { clean };
        let high = if element.may_rise { 1.0 } else { clean };
        let value = low + u * (high - low);
        x[unit.start] = element.nearest(value);
    }

    /// From the clean sample, one unit after the other goes where most is gained for what it costs, until the sample is
    /// misclassified; each unit once.
    fn climbed(&self) -> Option<Vec<f32>> {
        let mut x = self.clean.to_vec();
        let mut open: Vec<usize> = (0..self.space.units.len()).collect();
        while !self.forest.is_wrong_at(&x, self.label) {
            let here = self.forest.gain_at(&x, self.label);
            let moves = open.iter().flat_map(|&unit| self.moves(unit, &x));
            let worth = moves.filter_map(|(unit, point)| {
                let gain = self.forest.gain_at(&point, self.label) - here;
                let far = distance(self.space.norm, Image::row(x.len()), &x, &point);
                (gain > 0.0).then_some((gain / far.max(1e-9), unit, point))
            });
            let (_, unit, point) = worth.max_by(|a, b| a.0.total_cmp(&b.0))?;
            open.retain(|&other| other != unit);
            x = point;
        }
        Some(x)
    }

    /// `x` with another value of a unit: just into each range between thresholds, or each category.
    fn moves(&self, unit: usize, x: &[f32]) -> Vec<(usize, Vec<f32>)> {
        let place = self.space.units[unit].clone();
        let (j, element) = (place.start, self.space.elements[place.start]);
        let with = |values: &[f32]| {
            let mut point = x.to_vec();
            point[place.clone()].copy_from_slice(values);
            (unit, point)
        };
        if place.len() > 1 {
            let free = element.may_rise || element.may_fall;
            let hot = |k| {
                (0..place.len())
                    .map(|i| f32::from(u8::from(i == k)))
                    .collect::<Vec<_>>()
            };
            return (0..place.len())
                .filter(|_| free)
                .map(|k| with(&hot(k)))
                .collect();
        }
        let clean = self.clean[j];
        let ranges = [-1.0, 2.0]
            .into_iter()
            .flat_map(|end| self.forest.ranges(j, clean, end));
        let values = ranges.filter_map(|range| number(element, clean, range));
        values.map(|value| with(&[value])).collect()
    }

    /// The nearest of the points half, a quarter, ... of the way to the clean sample that is still misclassified; categories stay.
    fn halved(&self, x: Vec<f32>) -> Vec<f32> {
        let (mut low, mut high) = (0.0f32, 1.0f32);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            match self
                .forest
                .is_wrong_at(&self.towards(&x, middle), self.label)
            {
                true => high = middle,
                false => low = middle,
            }
        }
        self.towards(&x, high)
    }

    /// `x` with its numbers at a share of their way from the clean sample.
    fn towards(&self, x: &[f32], share: f32) -> Vec<f32> {
        let mut point = x.to_vec();
        for unit in self.space.units.iter().filter(|unit| unit.len() == 1) {
            let (j, clean) = (unit.start, self.clean[unit.start]);
            let moved = clean + share * (x[j] - clean);
            point[j] = self.space.elements[j].nearest(moved);
        }
        point
    }

    /// Walks over tuples, and element by element, until neither brings the point nearer: the cost and the point.
    fn descend(&self, start: Vec<f32>, draws: &mut Draws) -> Option<(f64, Vec<f32>)> {
        let (mut cost, mut x) = self.walk(self.eased(start, draws))?;
        loop {
            let (nearer, point) = self.walk(self.eased(x.clone(), draws))?;
            if nearer >= cost {
                return Some((cost, x));
            }
            (cost, x) = (nearer, point);
        }
    }

    /// Brings the units, in random order, each as near to the clean sample's value as it may.
    fn eased(&self, mut x: Vec<f32>, draws: &mut Draws) -> Vec<f32> {
        for unit in draws.order(self.space.units.len()) {
            let unit = self.space.units[unit].clone();
            let kept = x[unit.clone()].to_vec();
            let clean = &self.clean[unit.clone()];
            if kept == clean {
                continue;
            }
            x[unit.clone()].copy_from_slice(clean);
            if self.forest.is_wrong_at(&x, self.label) {
                continue;
            }
            if !(unit.len() == 1 && self.step_back(unit.start, kept[0], &mut x)) {
                x[unit].copy_from_slice(&kept);
            }
        }
        x
    }

    /// Puts a number into the first range between thresholds, from the clean value on, in which the sample stays misclassified.
    fn step_back(&self, j: usize, from: f32, x: &mut [f32]) -> bool {
        let (clean, element) = (self.clean[j], self.space.elements[j]);
        for range in self.forest.ranges(j, clean, from) {
            if let Some(value) = number(element, clean, range) {
                x[j] = value;
                if self.forest.is_wrong_at(x, self.label) {
                    return true;
                }
            }
        }
        false
    }

    /// Walks from a misclassified point to nearer and nearer tuples of leaves: the cost of the last one, and its point.
    fn walk(&self, from: Vec<f32>) -> Option<(f64, Vec<f32>)> {
        let mut tuple = self.forest.tuple(&from);
        loop {
            let meet = Meet::new(self, &tuple);
            let here = meet.cost(self, None)?;
            let scores = self.forest.scores(&tuple);
            let mut best: Option<(f64, usize, usize)> = None;
            for (tree, leaves) in self.forest.leaves.iter().enumerate() {
                let Some(without) = meet.cost(self, Some(tree)) else {
                    continue;
                };
                // Only a tree that holds the box away from the sample can let it nearer.
                if without >= here {
                    continue;
                }
                let mut rest = scores.clone();
                self.forest.add(&mut rest, leaves.get(tuple[tree]), -1.0);
                let costs = meet.costs(self, tree);
                for (at, leaf) in leaves
                    .iter()
                    .enumerate()
                    .filter(|&(at, _)| at != tuple[tree])
                {
                    let most = best.map_or(here, |(cost, ..)| cost);
                    let Some(cost) = meet.with(self, tree, &costs, leaf, most) else {
                        continue;
                    };
                    let mut scores = rest.clone();
                    self.forest.add(&mut scores, Some(leaf), 1.0);
                    if self.forest.is_wrong(&scores, self.label) {
                        best = Some((cost, tree, at));
                    }
                }
            }
            match best {
                Some((_, tree, at)) => tuple[tree] = at,
                None => {
                    let x = self.space.nearest(self.clean, |j| meet.limit(j, None))?;
                    return Some((here, x));
                }
            }
        }
    }
}

/// The box where a leaf of each tree meet: of each element the two strictest limits on either side, with the trees that
/// set them, so that any one tree can be left out.
struct Meet {
    low: Vec<[(f32, usize); 2]>,
    high: Vec<[(f32, usize); 2]>,
}

/// No tree.
const NONE: usize = usize::MAX;

impl Meet {
    fn new(sample: &Sample<'_>, tuple: &[usize]) -> Self {
        let d = sample.clean.len();
        let mut meet = Self {
            low: vec![[(-1.0, NONE); 2]; d],
            high: vec![[(1.0, NONE); 2]; d],
        };
        for (tree, (leaves, &at)) in sample.forest.leaves.iter().zip(tuple).enumerate() {
            for limit in leaves.get(at).iter().flat_map(|leaf| &leaf.limits) {
                let &Limit { element, low, high } = limit;
                stricter(&mut meet.low[element], (low, tree), |a, b| a > b);
                stricter(&mut meet.high[element], (high, tree), |a, b| a < b);
            }
        }
        meet
    }

    /// The limits of element `j`, without those of one tree.
    fn limit(&self, j: usize, without: Option<usize>) -> (f32, f32) {
        let [low, high] = [self.low[j], self.high[j]].map(|[first, second]| {
            if without == Some(first.1) {
                second.0
            } else {
                first.0
            }
        });
        (low, high)
    }

    fn cost(&self, sample: &Sample<'_>, without: Option<usize>) -> Option<f64> {
        let space = sample.space;
        let limit = |j| self.limit(j, without);
        let costs = (0..space.units.len()).map(|unit| space.cost(unit, sample.clean, limit));
        let costs: Vec<f64> = costs.collect::<Option<_>>()?;
        Some(space.total(costs.into_iter()))
    }

    /// The units with their costs without one tree, the dearest first.
    fn costs(&self, sample: &Sample<'_>, without: usize) -> Vec<(f64, usize)> {
        let space = sample.space;
        let limit = |j| self.limit(j, Some(without));
        let units = (0..space.units.len()).filter_map(|unit| {
            let cost = space.cost(unit, sample.clean, limit)?;
            (cost > 0.0).then_some((cost, unit))
        });
        let mut costs: Vec<_> = units.collect();
        costs.sort_by(|a, b| b.0.total_cmp(&a.0));
        costs
    }

    /// The cost with another leaf of a tree, if it is below `most`.
    fn with(
        &self,
        sample: &Sample<'_>,
        tree: usize,
        costs: &[(f64, usize)],
        leaf: &Leaf,
        most: f64,
    ) -> Option<f64> {
        let space = sample.space;
        let mut touched = Vec::with_capacity(leaf.limits.len());
        let mut both = (0.0f64, 0.0);
        let mut add = |cost: f64| {
            both = (both.0.max(cost), both.1 + cost);
            space.joined(both)
        };
        let mut total = 0.0;
        for limit in &leaf.limits {
            let unit = space.unit(limit.element)?;
            if touched.contains(&unit) {
                continue;
            }
            touched.push(unit);
            let limit = |j| {
                let (low, high) = self.limit(j, Some(tree));
                let own = limit_of(&leaf.limits, j);
                (low.max(own.0), high.min(own.1))
            };
            total = add(space.cost(unit, sample.clean, limit)?);
            if total >= most {
                return None;
            }
        }
        for &(cost, unit) in costs {
            if !touched.contains(&unit) {
                total = add(cost);
                if total >= most {
                    return None;
                }
            }
        }
        Some(total)
    }
}

/// Puts a limit among the two strictest ones of different trees.
fn stricter(kept: &mut [(f32, usize); 2], new: (f32, usize), is: impl Fn(f32, f32) -> bool) {
    if is(new.0, kept[0].0) {
        *kept = [new, kept[0]];
    } else if is(new.0, kept[1].0) {
        kept[1] = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_limits_of_two_trees_are_kept() {
        let mut kept = [(1.0, NONE); 2];
        for (tree, high) in [0.5, 0.75, 0.25, 0.5].into_iter().enumerate() {
            stricter(&mut kept, (high, tree), |a, b| a < b);
        }
        assert_eq!(kept, [(0.25, 2), (0.5, 0)]);
    }
}
