//! Samples of noise, on which two ways to compute the same are compared.

use scoville_kernels::{Array, Device};

use crate::Error;

/// `rows` samples of `len` elements in [0, 1).
pub(crate) fn noise(device: &Device, rows: usize, len: usize) -> Result<Array, Error> {
    let pixels = (0..(rows * len) as u64).map(pixel).collect();
    Ok(Array::from_vec(device, rows, len, pixels)?)
}

/// A number in [0, 1) for each index: SplitMix64 (Steele, Lea and Flood 2014).
fn pixel(index: u64) -> f32 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}

/// Whether `a` is `b` to 1e-4 of the largest value.
pub(crate) fn agree(a: &[f32], b: &[f32]) -> bool {
    let scale = b
        .iter()
        .fold(f32::MIN_POSITIVE, |max, value| max.max(value.abs()));
    let close =
        |(a, b): (&f32, &f32)| a == b || (a - b).abs() <= 1e-4 * scale || a.is_nan() && b.is_nan();
    a.len() == b.len() && a.iter().zip(b).all(close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement() {
        assert!(agree(&[1.0, 100.0], &[1.005, 100.0]));
        assert!(!agree(&[1.0, 100.0], &[1.02, 100.0]));
        assert!(agree(
            &[f32::NAN, f32::INFINITY],
            &[f32::NAN, f32::INFINITY]
        ));
        assert!(!agree(&[f32::NAN], &[1.0]));
        assert!(!agree(&[1.0], &[1.0, 1.0]));
    }
}
