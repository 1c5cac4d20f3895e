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
    let parts = w.chunks(depth).flat_map(
        #[inline(always)]
        |tap| tap.chunks(BLOCK),
    );
    for (start, w) in starts.zip(parts) {
        let rows = &a[start..][..(M - 1) * step + 1];
        for (c, w) in w.iter().enumerate().take(BLOCK) {
            let w = load::<S, V>(&w.0, 0);
            for (m, sums) in sums.iter_mut().enumerate() {
                let x = simd.splat_f32s(rows[m * step].0[c]);
                for v in 0..V {
                    sums[v] = simd.mul_add_e_f32s(x, w[v], sums[v]);
                }
            }
        }
    }
    sums
}

/// Cuts a line of `len` pixels into pieces for which there is a kernel on vectors of which `V` make a block:
/// (first pixel, pixels).
#[inline(always)]
pub(crate) fn pieces(v: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let sizes: &[usize] = match v {
        1 => &[16, 8, 7, 4, 2, 1],
        2 | 4 => &[6, 4, 2, 1],
        _ => &[1],
    };
    let mut at = 0;
    core::iter::from_fn(move || {
        let left = len - at;
        let &size = sizes.iter().find(|&&size| size <= left)?;
        at += size;
        Some((at - size, size))
    })
}

/// Calls `$f::<S, V, M>` with the `M` that is `$size`, one of [`pieces`].
macro_rules! sized {
    ($size:expr, $v:ident, $f:ident::<$s:ident>($($args:expr),*)) => {
        match ($size, $v) {
            (16, 1) => $f::<$s, $v, 16>($($args),*),
            (8, 1) => $f::<$s, $v, 8>($($args),*),
            (7, 1) => $f::<$s, $v, 7>($($args),*),
            (6, 2 | 4) => $f::<$s, $v, 6>($($args),*),
            (4, 1 | 2 | 4) => $f::<$s, $v, 4>($($args),*),
            (2, 1 | 2 | 4) => $f::<$s, $v, 2>($($args),*),
            _ => $f::<$s, $v, 1>($($args),*),
        }
    };
}
pub(crate) use sized;
