//! Two independent standard normal numbers from two random words (Box and Muller 1958). Twin of
//! `normal.wgsl`.
//!
//! The logarithm, sine and cosine are polynomials (Cephes, single precision) because WGSL's own may
//! be off by 2^-11, and a start must be the same on every device.

use crate::philox::unit;

/// 2^-24: moves [`unit`]'s range to (0, 1], where the logarithm is finite.
pub(crate) const UNIT_STEP: f32 = 1.0 / 16_777_216.0;

/// ln(x) for normal x > 0.
#[inline(always)]
pub(crate) fn precise_ln(x: f32) -> f32 {
    const COEFFICIENTS: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_8e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 126) as f32;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    if m < 0.707_106_77 {
        m += m;
        exponent -= 1.0;
    }
    let t = m - 1.0;
    let z = t * t;
    let p = COEFFICIENTS.iter().fold(0.0, |p, c| p * t + c);
    let tail = p * t * z - 2.121_944_4e-4 * exponent - 0.5 * z;
    (t + tail) + 0.693_359_4 * exponent
}

/// (cos, sin) of a full turn times u, for u in [0, 1).
#[inline(always)]
fn precise_turn(u: f32) -> (f32, f32) {
    let quarter = (u * 4.0 + 0.5).floor();
    let a = (u * 4.0 - quarter) * 1.570_796_4;
    let z = a * a;
    let s = a + a * z * ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1);
    let c = 1.0 - 0.5 * z + z * z * ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2);
    // A quarter turn swaps the two; signs as branches would keep the loop from vector code.
    let quarter = quarter as u32;
    let (cos, sin) = if quarter & 1 == 0 { (c, s) } else { (s, c) };
    let negative = |is: bool, v: f32| if is { -v } else { v };
    (
        negative((quarter + 1) & 2 != 0, cos),
        negative(quarter & 2 != 0, sin),
    )
}

#[inline(always)]
pub(crate) fn normal_pair(first: u32, second: u32) -> [f32; 2] {
    let radius = (-2.0 * precise_ln(unit(first) + UNIT_STEP)).sqrt();
    let (cos, sin) = precise_turn(unit(second));
    [radius * cos, radius * sin]
}

/// Four numbers of four random words.
#[inline(always)]
pub(crate) fn normals([a, b, c, d]: [u32; 4]) -> [f32; 4] {
    let ([a, b], [c, d]) = (normal_pair(a, b), normal_pair(c, d));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn the_polynomials_are_the_functions() {
        let mut random = Random::new(19);
        for _ in 0..100_000 {
            let u = unit(random.word());
            let x = f64::from(u) + 2.0_f64.powi(-24);
            let ln = f64::from(precise_ln(x as f32));
            assert!((ln - x.ln()).abs() <= 2e-7 * x.ln().abs(), "ln {x}: {ln}");
            let (cos, sin) = precise_turn(u);
            let (sin64, cos64) = (f64::from(u) * std::f64::consts::TAU).sin_cos();
            assert!((f64::from(cos) - cos64).abs() < 2e-7, "cos {u}");
            assert!((f64::from(sin) - sin64).abs() < 2e-7, "sin {u}");
        }
        assert_eq!(precise_ln(1.0), 0.0);
        assert!((precise_ln(UNIT_STEP) + 24.0 * std::f32::consts::LN_2).abs() < 1e-5);
    }

    #[test]
    fn the_moments_are_those_of_a_standard_normal() {
        let mut random = Random::new(20);
        let draws = (0..100_000).flat_map(|_| normal_pair(random.word(), random.word()));
        let moments = draws.map(f64::from).fold([0.0; 4], |m, z| {
            [m[0] + z, m[1] + z * z, m[2] + z.powi(3), m[3] + z.powi(4)]
        });
        // Five standard errors of 200,000 draws.
        let table = [(0.0, 1.0_f64), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)];
        for (power, (sum, (expected, variance))) in moments.into_iter().zip(table).enumerate() {
            let mean = sum / 200_000.0;
            let error = 5.0 * (variance / 200_000.0).sqrt();
            assert!(
                (mean - expected).abs() < error,
                "moment {}: {mean}",
                power + 1
            );
        }
    }
}
