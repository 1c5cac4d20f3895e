//! The CPU twins' inner loops on the widest vectors that the machine has.

/// Runs `work`, compiled for this machine's vectors. It must be marked to be inlined always, and so must what it calls: code
/// that is called and not inlined is compiled for the least of machines.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Lanes of a sum: enough for the widest vectors, and always as many, so that a sum is the same on every machine.
const LANES: usize = 16;

/// The sum in f64, which neither overflows nor underflows on squares of f32.
#[inline(always)]
pub(crate) fn total(row: &[f32], f: impl Fn(f32) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&v| f(v)).sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f(v);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The same over the pairs of two rows of equal length.
#[inline(always)]
pub(crate) fn total_of_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(&a, &b)| f(a, b)).sum();
    for (a, b) in a.zip(b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(a, b);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// `w . (a - b)`, each product rounded to f32.
#[inline(always)]
pub(crate) fn dot_of_difference(w: &[f32], a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (w, a, b) = (
        w.chunks_exact(LANES),
        a.chunks_exact(LANES),
        b.chunks_exact(LANES),
    );
    let product = |((w, a), b): ((&f32, &f32), &f32)| f64::from(w * (a - b));
    let rest = w.remainder().iter().zip(a.remainder()).zip(b.remainder());
    let rest: f64 = rest.map(product).sum();
    for ((w, a), b) in w.zip(a).zip(b) {
        for (lane, triple) in lanes.iter_mut().zip(w.iter().zip(a).zip(b)) {
            *lane += product(triple);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The largest magnitude; 0 of nothing, NaN where there is one.
#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    // By their bits, because the maximum of floats, which looks out for NaN, does not become vector code.
    let bits = row.iter().map(|v| v.abs().to_bits()).max();
    bits.map_or(0.0, f32::from_bits)
}

#[inline(always)]
fn square(v: f32) -> f64 {
    f64::from(v) * f64::from(v)
}

/// The Euclidean norm, summed in f64.
#[inline(always)]
pub(crate) fn l2_norm(row: &[f32]) -> f32 {
    total(row, square).sqrt() as f32
}

/// The Euclidean norm of `row / scale`.
#[inline(always)]
pub(crate) fn l2_norm_scaled(row: &[f32], scale: f32) -> f32 {
    total(row, |v| square(v / scale)).sqrt() as f32
}

/// The Euclidean norm of `a - b`, each difference rounded to f32.
#[inline(always)]
pub(crate) fn l2_distance(a: &[f32], b: &[f32]) -> f32 {
    total_of_pairs(a, b, |a, b| square(a - b)).sqrt() as f32
}
