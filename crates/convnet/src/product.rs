//! The product that most layers come down to: rows of channels by a packed matrix, in registers.

use pulp::Simd;

use crate::simd::{BLOCK, Block, Vectors, load};

/// For `M` rows: the sum over `starts` and channels `c` of `a[start + m * step].c * w`.
///
/// `w` has a block of outputs for each channel, `depth` of them for every `depth.div_ceil(16)` starts.
#[inline(always)]
pub(crate) fn product<S: Simd, const V: usize, const M: usize>(
    simd: S,
    a: &[Block],
    starts: impl Iterator<Item = usize>,
    step: usize,
    depth: usize,
    w: &[Block],
) -> [Vectors<S, V>; M] {
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    for (start, w) in starts.zip(parts(w, depth)) {
        let rows = &a[start..][..(M - 1) * step + 1];
        for (c, w) in w.iter().enumerate().take(BLOCK) {
            add::<S, V, M>(simd, rows, step, c, w, &mut sums);
        }
    }
    sums
}

/// As [`product`], but for the sign of a zero, by rows that follow each other; `live` has a bit for each channel of a start that is not zero in all of them.
#[inline(always)]
pub(crate) fn product_of_live<S: Simd, const V: usize, const M: usize>(
    simd: S,
    a: &[Block],
    starts: impl Iterator<Item = usize>,
    live: &[u16],
    depth: usize,
    w: &[Block],
) -> [Vectors<S, V>; M] {
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    for ((start, w), &live) in starts.zip(parts(w, depth)).zip(live) {
        let rows = &a[start..][..M];
        if live == u16::MAX {
            for (c, w) in w.iter().enumerate().take(BLOCK) {
                add::<S, V, M>(simd, rows, 1, c, w, &mut sums);
            }
            continue;
        }
        let mut left = live;
        while left != 0 {
            let c = left.trailing_zeros() as usize % BLOCK;
            add::<S, V, M>(simd, rows, 1, c, &w[c], &mut sums);
            left &= left - 1;
        }
    }
    sums
}

/// The weights of each start: those of a block of channels, or of the last of a tap's.
#[inline(always)]
fn parts(w: &[Block], depth: usize) -> impl Iterator<Item = &[Block]> {
    w.chunks(depth).flat_map(
        #[inline(always)]
        |tap| tap.chunks(BLOCK),
    )
}

/// Adds channel `c` of `M` rows, times its weights.
#[inline(always)]
fn add<S: Simd, const V: usize, const M: usize>(
    simd: S,
    rows: &[Block],
    step: usize,
    c: usize,
    w: &Block,
    sums: &mut [Vectors<S, V>; M],
) {
    let w = load::<S, V>(&w.0, 0);
    for (m, sums) in sums.iter_mut().enumerate() {
        let x = simd.splat_f32s(rows[m * step].0[c]);
        for v in 0..V {
            sums[v] = simd.mul_add_e_f32s(x, w[v], sums[v]);
        }
    }
}

/// Cuts a line of `len` pixels into few pieces of about the same size, for which there is a kernel on vectors of which `V`
/// make a block: (first pixel, pixels).
#[inline(always)]
pub(crate) fn pieces(v: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = match v {
        1 => 16,
        2 | 4 => 6,
        _ => 1,
    };
    pieces_of(most, len)
}

/// Cuts a line into pieces of at most `most` pixels.
#[inline(always)]
pub(crate) fn pieces_of(most: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = len.div_ceil(most);
    (0..count).map(move |i| {
        let at = i * len / count;
        (at, (i + 1) * len / count - at)
    })
}

/// Calls `$f::<S, V, M>` with the `M` that is `$size`, one of [`pieces`].
macro_rules! sized {
    ($size:expr, $v:ident, $f:ident::<$s:ident $(, $more:tt)*>($($args:expr),*)) => {
        match ($size, $v) {
            (16, 1) => $f::<$s, $v, 16 $(, $more)*>($($args),*),
            (15, 1) => $f::<$s, $v, 15 $(, $more)*>($($args),*),
            (14, 1) => $f::<$s, $v, 14 $(, $more)*>($($args),*),
            (13, 1) => $f::<$s, $v, 13 $(, $more)*>($($args),*),
            (12, 1) => $f::<$s, $v, 12 $(, $more)*>($($args),*),
            (11, 1) => $f::<$s, $v, 11 $(, $more)*>($($args),*),
            (10, 1) => $f::<$s, $v, 10 $(, $more)*>($($args),*),
            (9, 1) => $f::<$s, $v, 9 $(, $more)*>($($args),*),
            (8, 1) => $f::<$s, $v, 8 $(, $more)*>($($args),*),
            (7, 1) => $f::<$s, $v, 7 $(, $more)*>($($args),*),
            (6, 1 | 2 | 4) => $f::<$s, $v, 6 $(, $more)*>($($args),*),
            (5, 1 | 2 | 4) => $f::<$s, $v, 5 $(, $more)*>($($args),*),
            (4, 1 | 2 | 4) => $f::<$s, $v, 4 $(, $more)*>($($args),*),
            (3, 1 | 2 | 4) => $f::<$s, $v, 3 $(, $more)*>($($args),*),
            (2, 1 | 2 | 4) => $f::<$s, $v, 2 $(, $more)*>($($args),*),
            _ => $f::<$s, $v, 1 $(, $more)*>($($args),*),
        }
    };
}
pub(crate) use sized;
