//! Where the samples of a batch lie in a value, followed from operator to operator: the proof that
//! no sample's elements reach another's.

use crate::ops::count;
use crate::value::{Fact, Facts};

/// How the samples of a batch lie in a value: one after another along `axis`, each with `block`
/// places of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    pub axis: usize,
    pub block: usize,
}

impl Samples {
    /// Along the first axis, a place each.
    pub const FIRST: Samples = Samples { axis: 0, block: 1 };

    /// After a reshape: along the first axis that as many elements come before as did, and that
    /// can be cut into as many samples.
    pub fn reshaped(self, from: &[usize], to: &[usize]) -> Option<Samples> {
        let before = |shape: &[usize], axis: usize| count(shape.get(..axis)?).ok();
        let n = from.get(self.axis)?.checked_div(self.block)?;
        let ahead = before(from, self.axis)?;
        let axis = (0..to.len()).find(|&axis| {
            let size = to.get(axis).copied().unwrap_or(0);
            let whole = size.checked_rem(n) == Some(0);
            before(to, axis) == Some(ahead) && whole && size > 0
        })?;
        let block = to.get(axis)?.checked_div(n)?;
        Some(Samples { axis, block })
    }

    /// Moved to where the axis goes in `permutation`, which names the old axis of each new one.
    pub fn permuted(self, permutation: &[usize]) -> Option<Samples> {
        let axis = permutation.iter().position(|&axis| axis == self.axis)?;
        Some(Samples { axis, ..self })
    }
}

/// Of an operator that works element by element, with NumPy broadcasting to `rank` axes.
pub(crate) fn elementwise(
    samples: &[Option<Samples>],
    inputs: &Facts,
    rank: usize,
) -> Option<Samples> {
    let ranks = (0..inputs.len()).map(|i| inputs.get(i).map_or(0, |fact| fact.shape().len()));
    let placed = samples.iter().zip(ranks).filter_map(|(samples, own)| {
        let samples = (*samples)?;
        let axis = (samples.axis + rank).checked_sub(own);
        Some(axis.map(|axis| Samples { axis, ..samples }))
    });
    let placed: Vec<Samples> = placed.collect::<Option<_>>()?;
    let (&first, rest) = placed.split_first()?;
    let alike = rest.iter().all(|other| *other == first);
    // What is the same for all samples must not differ along their axis.
    let shared = samples.iter().enumerate().all(|(i, samples)| {
        let Some(fact) = inputs.get(i).filter(|_| samples.is_none()) else {
            return true;
        };
        let axis = (first.axis + fact.shape().len()).checked_sub(rank);
        axis.is_none_or(|axis| fact.shape().get(axis).is_none_or(|&size| size == 1))
    });
    (alike && shared).then_some(first)
}

/// Of an operator that treats each place along the first axis of its inputs by itself: samples must
/// lie there, in all of the inputs that `may` hold some or in none but the first, and in no other.
pub(crate) fn along_first(
    samples: &[Option<Samples>],
    may: &[usize],
    outputs: usize,
) -> Option<Vec<Option<Samples>>> {
    let first = samples.first().copied().flatten();
    let first = first.filter(|samples| samples.axis == 0)?;
    let mut placed = samples.iter().enumerate();
    let fit = placed.all(|(i, samples)| match samples {
        Some(samples) => may.contains(&i) && *samples == first,
        None => true,
    });
    fit.then(|| vec![Some(first); outputs])
}

/// Of an operator that works element by element, with NumPy broadcasting to its one output.
pub(crate) fn broadcast_samples(
    samples: &[Option<Samples>],
    inputs: &Facts,
    outputs: &[Fact],
) -> Option<Vec<Option<Samples>>> {
    let rank = outputs.first()?.shape().len();
    Some(vec![Some(elementwise(samples, inputs, rank)?)])
}

/// Those of input 0, where no other holds some.
pub(crate) fn alone(samples: &[Option<Samples>]) -> Option<Samples> {
    let (first, rest) = samples.split_first()?;
    first.filter(|_| rest.iter().all(Option::is_none))
}

/// Of an operator of input 0 that mixes elements along the `axes` alone, and keeps the others: no
/// other input may hold samples, nor differ along an axis that is not among these.
pub(crate) fn beside(
    samples: &[Option<Samples>],
    axes: &[usize],
    outputs: usize,
) -> Option<Vec<Option<Samples>>> {
    let place = alone(samples)?;
    (!axes.contains(&place.axis)).then(|| vec![Some(place); outputs])
}

/// As [`along_first`], of an operator that takes the places along the first axis of the inputs
/// `paired` together: one that holds no samples must have a single place there, or be absent.
pub(crate) fn paired_first(
    samples: &[Option<Samples>],
    inputs: &Facts,
    paired: &[usize],
    outputs: usize,
) -> Option<Vec<Option<Samples>>> {
    let shared = paired.iter().all(|&i| {
        let held = samples.get(i).is_some_and(Option::is_some);
        let size = inputs.get(i).and_then(|fact| fact.shape().first());
        held || size.is_none_or(|&size| size == 1)
    });
    along_first(samples, paired, outputs).filter(|_| shared)
}

/// Of an operator that only gives input 0 another shape.
pub(crate) fn reshaped(
    samples: &[Option<Samples>],
    inputs: &Facts,
    outputs: &[Fact],
) -> Option<Vec<Option<Samples>>> {
    let from = inputs.get(0)?.shape();
    let place = samples.first().copied().flatten()?;
    let place = place.reshaped(from, outputs.first()?.shape())?;
    Some(vec![Some(place)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(axis: usize, block: usize) -> Samples {
        Samples { axis, block }
    }

    #[test]
    fn reshapes() {
        type Row<'a> = (Samples, &'a [usize], &'a [usize], Option<Samples>);
        let cases: [Row; 8] = [
            (at(0, 1), &[3, 4, 5], &[3, 20], Some(at(0, 1))),
            (at(0, 1), &[3, 4, 5], &[12, 5], Some(at(0, 4))),
            (at(0, 4), &[12, 5], &[3, 4, 5], Some(at(0, 1))),
            (at(1, 1), &[7, 3, 2, 4], &[7, 3, 8], Some(at(1, 1))),
            (at(1, 1), &[7, 3, 2], &[21, 2], None),
            (at(0, 1), &[3, 4], &[1, 3, 4], Some(at(1, 1))),
            (at(0, 1), &[3, 4], &[2, 6], None),
            (at(0, 1), &[3, 4], &[4, 3], None),
        ];
        for (samples, from, to, expected) in cases {
            assert_eq!(samples.reshaped(from, to), expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn broadcasting() {
        let facts = |shapes: &[&[usize]]| {
            let fact = |shape: &&[usize]| Some(Fact::float(shape.to_vec()));
            Facts(shapes.iter().map(fact).collect())
        };
        let case = |samples: &[Option<Samples>], shapes: &[&[usize]], rank| {
            elementwise(samples, &facts(shapes), rank)
        };
        let first = Some(at(0, 1));
        assert_eq!(case(&[first, None], &[&[3, 4], &[4]], 2), first);
        assert_eq!(case(&[None, first], &[&[1, 4], &[3, 4]], 2), first);
        assert_eq!(case(&[first, first], &[&[3, 4], &[3, 4]], 2), first);
        // A table with a row for each sample, and samples that would meet all others.
        assert_eq!(case(&[first, None], &[&[3, 4], &[3, 4]], 2), None);
        let across = [first, Some(at(1, 1))];
        assert_eq!(case(&across, &[&[3, 1], &[1, 3]], 2), None);
        assert_eq!(case(&[first, first], &[&[3], &[3, 3]], 2), None);
        assert_eq!(
            along_first(&[first, None], &[0], 2),
            Some(vec![first, first])
        );
        assert_eq!(along_first(&[first, first], &[0], 1), None);
        assert_eq!(along_first(&[Some(at(1, 1)), None], &[0], 1), None);
    }
}
