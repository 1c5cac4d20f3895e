//! The product of rows most of whose channels are zero, as behind a rectifier: by the weights of the others alone.
//!
//! They are added in the order of [`product`](crate::product::product), and what is left out would have added zeros: the
//! sums are the same, but for the sign of a zero. Weights are taken by chunks that stay in the first cache while all rows pass.

use pulp::Simd;

use crate::simd::{BLOCK, Block, load, nonzero, store};

/// Blocks of channels of a chunk.
const CHUNK: usize = 8;
/// Blocks of channels whose bits make a word.
const WORD: usize = 4;

/// The channels of some rows that are not zero, by chunk and row.
pub(crate) struct Rows {
    terms: Vec<Term>,
    /// Where the terms of each row of each chunk end.
    ends: Vec<usize>,
    rows: usize,
    sums: Vec<Block>,
}

/// A channel, by the place of its weights.
#[derive(Clone, Copy)]
struct Term {
    weight: u32,
    value: f32,
}

/// A block of channels of every row.
#[derive(Clone, Copy)]
struct Part {
    /// Where it is in the first row.
    start: usize,
    /// The place of its first channel's weights.
    weight: usize,
    /// A bit for each channel that there is.
    channels: u16,
}

impl Rows {
    /// Of `rows`, each `step` after the one before; `None` where more than two fifths of the channels are not zero. `depth`
    /// of them are in every `depth.div_ceil(16)` of the `starts` in the first row.
    #[inline(always)]
    pub fn few<S: Simd, const V: usize>(
        simd: S,
        a: &[Block],
        rows: usize,
        step: usize,
        starts: impl Iterator<Item = usize>,
        depth: usize,
    ) -> Option<Rows> {
        let parts: Vec<Part> = parts(starts, depth).collect();
        let mut masks = Vec::with_capacity(parts.len().div_ceil(WORD) * rows);
        let mut some = 0;
        for chunk in parts.chunks(CHUNK) {
            for row in 0..rows {
                for word in chunk.chunks(WORD) {
                    let mut mask = 0;
                    for (i, part) in word.iter().enumerate() {
                        let bits = nonzero::<S, V>(simd, &a[part.start + row * step]);
                        mask |= u64::from(bits & part.channels) << (i * BLOCK);
                    }
                    some += mask.count_ones() as usize;
                    masks.push(mask);
                }
            }
        }
        let channels: u32 = parts.iter().map(|part| part.channels.count_ones()).sum();
        if 5 * some > 2 * rows * channels as usize {
            return None;
        }
        let mut terms = Vec::with_capacity(some);
        let mut ends = Vec::with_capacity(parts.len().div_ceil(CHUNK) * rows);
        let mut masks = masks.into_iter();
        for chunk in parts.chunks(CHUNK) {
            for row in 0..rows {
                for (word, mut left) in chunk.chunks(WORD).zip(&mut masks) {
                    while left != 0 {
                        let bit = left.trailing_zeros() as usize;
                        let (part, channel) = (word[bit / BLOCK], bit % BLOCK);
                        terms.push(Term {
                            weight: (part.weight + channel) as u32,
                            value: a[part.start + row * step].0[channel],
                        });
                        left &= left - 1;
                    }
                }
                ends.push(terms.len());
            }
        }
        Some(Rows {
            terms,
            ends,
            rows,
            sums: Vec::new(),
        })
    }

    /// The sums of every row for `T` blocks of outputs, each by its own of `weights`, one after the other.
    #[inline(always)]
    pub fn sums<S: Simd, const V: usize, const T: usize>(
        &mut self,
        simd: S,
        weights: &[Block],
    ) -> &[Block] {
        let of_block = weights.len() / T;
        let weights: [&[Block]; T] = core::array::from_fn(
            #[inline(always)]
            |t| &weights[t * of_block..][..of_block],
        );
        self.sums.clear();
        self.sums.resize(self.rows * T, Block::ZERO);
        let mut start = 0;
        for ends in self.ends.chunks_exact(self.rows) {
            for (sums, &end) in self.sums.chunks_exact_mut(T).zip(ends) {
                add::<S, V, T>(simd, &self.terms[start..end], weights, sums);
                start = end;
            }
        }
        &self.sums
    }
}

/// What lies at each start.
fn parts(starts: impl Iterator<Item = usize>, depth: usize) -> impl Iterator<Item = Part> {
    let of_tap = depth.div_ceil(BLOCK);
    starts.enumerate().map(move |(i, start)| {
        let (tap, first) = (i / of_tap, i % of_tap * BLOCK);
        Part {
            start,
            weight: tap * depth + first,
            channels: match depth - first {
                left if left < BLOCK => (1 << left) - 1,
                _ => u16::MAX,
            },
        }
    })
}

#[inline(always)]
fn add<S: Simd, const V: usize, const T: usize>(
    simd: S,
    terms: &[Term],
    weights: [&[Block]; T],
    to: &mut [Block],
) {
    let mut sums: [_; T] = core::array::from_fn(
        #[inline(always)]
        |t| load::<S, V>(&to[t].0, 0),
    );
    for term in terms {
        let x = simd.splat_f32s(term.value);
        let at = term.weight as usize;
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let w = load::<S, V>(&weights[at].0, 0);
            for v in 0..V {
                sums[v] = simd.mul_add_e_f32s(x, w[v], sums[v]);
            }
        }
    }
    for (to, sums) in to.iter_mut().zip(sums) {
        store::<S, V>(&mut to.0, 0, sums);
    }
}
