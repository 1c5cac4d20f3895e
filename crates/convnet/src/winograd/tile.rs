//! How a tile's inputs, kernel and outputs meet at points: the transforms of Winograd's method in one axis.
//!
//! Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks"; the points are 0, 1, -1, 2, (-2) and infinity.
//! Narrow tiles, of one output less, do without the last finite point. Their other points are scaled so that they meet
//! the same kernel.

use pulp::Simd;

/// Outputs of a wide tile, in each axis; a narrow one has one less.
pub const OUT: usize = 4;

/// Tiles of up to 4 outputs in a line, for which it takes `IN` points of as many inputs.
pub trait Tile<const IN: usize> {
    /// The point that a narrow tile does without.
    const DROPPED: usize = IN - 2;

    /// The points of the inputs in a line. Of a narrow tile the last input does not count.
    fn points<S: Simd>(simd: S, inputs: [S::f32s; IN], narrow: bool) -> [S::f32s; IN];

    /// The outputs of the points in a line; the last one means nothing in a narrow tile.
    fn outputs<S: Simd>(simd: S, points: [S::f32s; IN], narrow: bool) -> [S::f32s; OUT];
}

/// F(4, 2): kernels of up to two taps.
pub struct Two;

impl Tile<5> for Two {
    #[inline(always)]
    fn points<S: Simd>(simd: S, d: [S::f32s; 5], narrow: bool) -> [S::f32s; 5] {
        let times = |k: f32, x| simd.mul_f32s(simd.splat_f32s(k), x);
        let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
        if narrow {
            return [
                times(2.0, simd.sub_f32s(d[0], d[2])),
                times(-1.0, simd.add_f32s(d[1], d[2])),
                times(3.0, simd.sub_f32s(d[1], d[2])),
                simd.splat_f32s(0.0),
                simd.sub_f32s(d[3], d[1]),
            ];
        }
        let odd = simd.sub_f32s(d[3], d[1]);
        [
            madd(2.0, simd.sub_f32s(d[0], d[2]), odd),
            madd(-2.0, d[1], simd.sub_f32s(d[3], d[2])),
            madd(2.0, d[1], madd(-3.0, d[2], d[3])),
            odd,
            madd(-2.0, odd, simd.sub_f32s(d[4], d[2])),
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, m: [S::f32s; 5], narrow: bool) -> [S::f32s; OUT] {
        let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
        let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
        if narrow {
            let last = simd.add_f32s(sum, m[4]);
            return [simd.add_f32s(m[0], sum), difference, last, last];
        }
        [
            simd.add_f32s(m[0], simd.add_f32s(sum, m[3])),
            madd(2.0, m[3], difference),
            madd(4.0, m[3], sum),
            simd.add_f32s(madd(8.0, m[3], difference), m[4]),
        ]
    }
}

/// F(4, 3): kernels of up to three taps.
pub struct Three;

impl Tile<6> for Three {
    #[inline(always)]
    fn points<S: Simd>(simd: S, d: [S::f32s; 6], narrow: bool) -> [S::f32s; 6] {
        let times = |k: f32, x| simd.mul_f32s(simd.splat_f32s(k), x);
        let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
        if narrow {
            let odd = simd.sub_f32s(d[3], d[1]);
            return [
                times(2.0, madd(2.0, simd.sub_f32s(d[0], d[2]), odd)),
                times(3.0, madd(-2.0, d[1], simd.sub_f32s(d[3], d[2]))),
                madd(2.0, d[1], madd(-3.0, d[2], d[3])),
                times(4.0, odd),
                simd.splat_f32s(0.0),
                madd(-2.0, odd, simd.sub_f32s(d[4], d[2])),
            ];
        }
        let even = madd(-4.0, d[2], d[4]);
        let odd = madd(-4.0, d[1], d[3]);
        let second = simd.sub_f32s(d[4], d[2]);
        let first = times(2.0, simd.sub_f32s(d[3], d[1]));
        [
            madd(4.0, d[0], madd(-5.0, d[2], d[4])),
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            simd.add_f32s(second, first),
            simd.sub_f32s(second, first),
            madd(4.0, d[1], madd(-5.0, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, m: [S::f32s; 6], narrow: bool) -> [S::f32s; OUT] {
        let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
        let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
        if narrow {
            let last = madd(4.0, m[3], simd.add_f32s(sum, m[5]));
            return [
                simd.add_f32s(m[0], simd.add_f32s(sum, m[3])),
                madd(2.0, m[3], difference),
                last,
                last,
            ];
        }
        let (sum2, difference2) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
        [
            simd.add_f32s(m[0], simd.add_f32s(sum, sum2)),
            madd(2.0, difference2, difference),
            madd(4.0, sum2, sum),
            simd.add_f32s(madd(8.0, difference2, difference), m[5]),
        ]
    }
}

/// Most taps of a kernel in an axis.
pub const MOST_TAPS: usize = 3;
/// Most points of a tile in an axis.
const MOST: usize = OUT + MOST_TAPS - 1;

/// Inputs and points of a tile in an axis, for kernels of up to so many taps.
pub fn inputs(taps: usize) -> usize {
    OUT + taps.max(2) - 1
}

/// The points of a kernel of `taps` x `taps`, row by row.
pub fn kernel_points(taps: usize, at: impl Fn(usize, usize) -> f64) -> impl Iterator<Item = f64> {
    let line: fn([f64; MOST_TAPS]) -> [f64; MOST] = if taps == MOST_TAPS { three } else { two };
    let at = |y: usize, x: usize| if y < taps && x < taps { at(y, x) } else { 0.0 };
    let columns: [[f64; MOST]; MOST_TAPS] =
        core::array::from_fn(|x| line(core::array::from_fn(|y| at(y, x))));
    let n = inputs(taps);
    (0..n).flat_map(move |y| {
        let row = line(core::array::from_fn(|x| columns[x][y]));
        row.into_iter().take(n)
    })
}

/// The five points of two taps.
fn two(g: [f64; MOST_TAPS]) -> [f64; MOST] {
    [
        g[0] / 2.0,
        -(g[0] + g[1]) / 2.0,
        (g[1] - g[0]) / 6.0,
        g[0] / 6.0 + g[1] / 3.0,
        g[1],
        0.0,
    ]
}

/// The six points of three taps.
fn three(g: [f64; MOST_TAPS]) -> [f64; MOST] {
    let even = -(g[0] + g[2]) / 6.0;
    let far = g[0] / 24.0 + g[2] / 6.0;
    [
        g[0] / 4.0,
        even - g[1] / 6.0,
        even + g[1] / 6.0,
        far + g[1] / 12.0,
        far - g[1] / 12.0,
        g[2],
    ]
}
