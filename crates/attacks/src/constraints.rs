//! What may become of a sample that is the row of a table.
//!
//! Attacks roam in [0, 1] in every element; what they ask the target about, and hand in, is brought to the nearest valid
//! sample first (the kernel [`valid`](scoville_kernels::valid())). The driver has the last word in f64: [`Constraints::settle`].

use std::cell::RefCell;
use std::ops::Range;

use scoville_kernels::rows::valid::{FALL, RISE};
use scoville_kernels::{Array, Ball, Depth, Image, Map, Norm, Zip, combine, map, valid, zip};

use crate::projection;
use crate::search::gather_in_place;

/// One element of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// It is a multiple of 1 / levels, any number of [0, 1] where this is 0.
    pub levels: u32,
    pub may_rise: bool,
    pub may_fall: bool,
    /// How many elements the one-hot group has that begins here; 1 for a number, 0 within a group.
    pub group: u32,
}

/// What may become of each element, and how much it tells of the class.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraints {
    pub elements: Vec<Element>,
    /// One an element, from 0 on.
    pub importance: Vec<f32>,
}

impl Element {
    fn may(&self) -> u32 {
        u32::from(self.may_rise) * RISE + u32::from(self.may_fall) * FALL
    }

    /// How far it is from one stored value to another, by what they stand for.
    pub(crate) fn moved(&self, from: f32, to: f32) -> f64 {
        match self.levels {
            0 => f64::from(to) - f64::from(from),
            levels => (self.step(to) - self.step(from)) / f64::from(levels),
        }
    }

    fn step(&self, stored: f32) -> f64 {
        (f64::from(stored) * f64::from(self.levels)).round()
    }

    /// The step nearest to a value.
    pub(crate) fn nearest(&self, value: f32) -> f32 {
        match self.levels {
            0 => value,
            levels => (self.step(value) / f64::from(levels)) as f32,
        }
    }

    /// The valid value nearest to `stored`, no farther than `most` from the clean one.
    fn settle(&self, clean: f32, stored: f32, most: f64) -> f32 {
        if !stored.is_finite() {
            return clean;
        }
        let low = if self.may_fall { 0.0 } else { clean };
        let high = if self.may_rise { 1.0 } else { clean };
        let stored = stored.clamp(low, high);
        if self.levels == 0 {
            return stored;
        }
        let levels = f64::from(self.levels);
        let from = self.step(clean);
        let steps = self.step(stored) - from;
        let fit = (most * levels * (1.0 + 1e-12)).floor();
        match steps.clamp(-fit, fit) {
            0.0 => clean,
            steps => ((from + steps) / levels) as f32,
        }
    }
}

impl Constraints {
    /// How far two valid samples are apart, by the values that they stand for.
    pub fn distance(&self, norm: Norm, x0: &[f32], x: &[f32]) -> f64 {
        let pairs = self.elements.iter().zip(x0).zip(x);
        length(norm, pairs.map(|((e, &a), &b)| e.moved(a, b)))
    }

    /// Brings `x` to a valid sample within the ball, if it is near one; whether it is one now.
    pub fn settle(&self, norm: Norm, eps: f64, x0: &[f32], x: &mut [f32]) -> bool {
        if x.len() != self.elements.len() || x0.len() != x.len() {
            return false;
        }
        let most = if norm == Norm::Linf {
            eps
        } else {
            f64::INFINITY
        };
        for (first, group) in self.units() {
            match group.len() {
                1 => x[first] = self.elements[first].settle(x0[first], x[first], most),
                _ => self.settle_group(group, x0, x),
            }
        }
        if self.distance(norm, x0, x) > eps {
            self.shrink(norm, eps, x0, x);
        }
        self.distance(norm, x0, x) <= eps
    }

    fn settle_group(&self, group: Range<usize>, x0: &[f32], x: &mut [f32]) {
        let may = self.elements[group.start].may() != 0;
        let hot = group.clone().max_by(|&a, &b| x[a].total_cmp(&x[b]));
        match hot.filter(|&hot| may && x[hot].is_finite()) {
            Some(hot) => group.for_each(|k| x[k] = f32::from(u8::from(k == hot))),
            None => x[group.clone()].copy_from_slice(&x0[group]),
        }
    }

    /// Moves the elements that go by no steps back, as far as the others leave room for none of their moves.
    fn shrink(&self, norm: Norm, eps: f64, x0: &[f32], x: &mut [f32]) {
        let free: Vec<usize> = (0..x.len())
            .filter(|&j| self.elements[j].levels == 0)
            .collect();
        let whole = |j: &usize| self.elements[*j].levels > 0;
        let moves = (0..x.len()).filter(whole);
        let moves = moves.map(|j| self.elements[j].moved(x0[j], x[j]));
        let taken = length(norm, moves);
        let room = match norm {
            Norm::Linf => eps,
            Norm::L2 => (eps * eps - taken * taken).max(0.0).sqrt() * (1.0 - 1e-12),
            _ => (eps - taken).max(0.0),
        };
        let of = |row: &[f32]| -> Vec<f32> { free.iter().map(|&j| row[j]).collect() };
        let (clean, mut moved) = (of(x0), of(x));
        let row = Image::row(clean.len());
        projection::project(norm, row, room, (0.0, 1.0), &clean, &mut moved);
        for (&j, value) in free.iter().zip(moved) {
            x[j] = value;
        }
    }

    /// Numbers and one-hot groups: the first element and all of them.
    pub(crate) fn units(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let last = self.elements.len();
        let starts = self.elements.iter().enumerate();
        let units = starts.map(move |(j, e)| (j, j..(j + e.group as usize).min(last)));
        units.filter(|(_, unit)| !unit.is_empty())
    }
}

fn length(norm: Norm, moves: impl Iterator<Item = f64>) -> f64 {
    match norm {
        Norm::Linf => moves.fold(0.0, |worst, d| worst.max(d.abs())),
        Norm::L2 => moves.map(|d| d * d).sum::<f64>().sqrt(),
        Norm::L1 => moves.map(f64::abs).sum(),
        _ => moves.filter(|&d| d != 0.0).count() as f64,
    }
}

/// How far an element is moved to see whether it can.
const PROBE: f32 = 1e-3;

/// The constraints of the samples that an attack is working on, on their device.
pub(crate) struct Limits {
    elements: Array<u32>,
    ball: Ball,
    /// Whether what is asked about must lie in the ball, too.
    depth: Depth,
    clean: RefCell<Array>,
}

impl Limits {
    /// Of samples `x0`, for an attack that seeks the nearest point, or one that stays in the ball.
    pub fn new(
        constraints: &Constraints,
        x0: &Array,
        ball: Ball,
        is_minimal: bool,
    ) -> Result<Self, scoville_kernels::Error> {
        let (device, d) = (x0.device(), constraints.elements.len());
        let elements = constraints.elements.iter();
        let table = elements.flat_map(|e| [e.levels, e.may(), e.group]);
        Ok(Self {
            elements: Array::from_vec(&device, d, 3, table.collect())?,
            ball,
            depth: if is_minimal {
                Depth::Valid
            } else {
                Depth::Inside
            },
            clean: RefCell::new(x0.copy()?),
        })
    }

    /// The valid samples for the points `x`, one of each running sample.
    pub fn valid(&self, x: &Array) -> Result<Array, scoville_kernels::Error> {
        valid(
            x,
            &self.clean.borrow(),
            &self.elements,
            self.depth,
            &self.ball,
        )
    }

    /// `x` within the range of each element.
    pub fn boxed(&self, x: &Array) -> Result<Array, scoville_kernels::Error> {
        valid(
            x,
            &self.clean.borrow(),
            &self.elements,
            Depth::Box,
            &self.ball,
        )
    }

    /// Clears the gradient at `x` where an element cannot go its way: those that may not change, or are at their end.
    pub fn mask(&self, gradient: &mut Array, x: &Array) -> Result<(), scoville_kernels::Error> {
        let mut moved = gradient.copy()?;
        map(&mut moved, Map::Sign)?;
        combine(&mut moved, PROBE, x, 1.0)?;
        let mut moved = self.boxed(&moved)?;
        combine(&mut moved, 1.0, &self.boxed(x)?, -1.0)?;
        zip(gradient, Zip::Where, &moved)
    }

    pub fn gather(&self, rows: &Array<u32>) -> Result<(), crate::Error> {
        gather_in_place(&mut self.clean.borrow_mut(), rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(levels: u32, may_rise: bool, may_fall: bool, group: u32) -> Element {
        Element {
            levels,
            may_rise,
            may_fall,
            group,
        }
    }

    /// A number, ten steps that only rise, one that is fixed, a group of three.
    fn mixed() -> Constraints {
        let elements = vec![
            element(0, true, true, 1),
            element(10, true, false, 1),
            element(0, false, false, 1),
            element(1, true, true, 3),
            element(1, true, true, 0),
            element(1, true, true, 0),
        ];
        Constraints {
            importance: vec![1.0; elements.len()],
            elements,
        }
    }

    const CLEAN: [f32; 6] = [0.5, 0.3, 0.5, 1.0, 0.0, 0.0];

    fn settled(norm: Norm, eps: f64, x: [f32; 6]) -> Option<[f32; 6]> {
        let mut x = x;
        mixed().settle(norm, eps, &CLEAN, &mut x).then_some(x)
    }

    #[test]
    fn what_is_settled_is_valid_and_inside() {
        let x = [0.9, 0.52, 0.7, 0.2, 0.1, 0.4];
        let far = Some([0.9, 0.5, 0.5, 0.0, 0.0, 1.0]);
        assert_eq!(settled(Norm::L1, 3.0, x), far);
        assert_eq!(settled(Norm::L0, 4.0, x), far);
        assert_eq!(settled(Norm::Linf, 1.0, x), far);
        // A category is as far as a whole range; the rest takes what is left.
        assert_eq!(settled(Norm::Linf, 0.9, x), None);
        assert_eq!(
            settled(Norm::L0, 3.0, x),
            Some([0.5, 0.5, 0.5, 0.0, 0.0, 1.0])
        );
        let near = settled(Norm::L1, 2.25, x).unwrap();
        assert!((near[0] - 0.55).abs() < 1e-6 && near[1] == 0.5);
        assert!(mixed().distance(Norm::L1, &CLEAN, &near) <= 2.25);
        assert_eq!(settled(Norm::L1, 2.1, x), None);
        let nan = [f32::NAN, 0.1, 0.5, f32::NAN, 0.0, 0.0];
        assert_eq!(settled(Norm::L2, 0.1, nan), Some(CLEAN));
    }

    #[test]
    fn steps_are_measured_exactly() {
        // 0.7 and 0.8 as f32 are more than 0.1 apart.
        assert!(f64::from(0.8f32) - f64::from(0.7f32) > 0.1 + 1e-9);
        let at = |step| [0.5, step, 0.5, 1.0, 0.0, 0.0];
        let (clean, one) = (at(0.7), at(0.8));
        let far = mixed().distance(Norm::L2, &clean, &one);
        assert_eq!(far, 0.1);
        for (eps, expected) in [(0.1, one), (0.19, one), (0.09, clean)] {
            let mut x = at(0.9);
            assert!(mixed().settle(Norm::Linf, eps, &clean, &mut x));
            assert_eq!(x, expected, "{eps}");
        }
    }

    #[test]
    fn another_width_is_not_valid() {
        let mut short = [0.5; 3];
        assert!(!mixed().settle(Norm::L2, 1.0, &CLEAN[..3], &mut short));
    }
}
