//! The points of a box that float32 can hold.

use scoville_vnnlib::Case;

/// Bounds rounded inward, so that a point within them lies in the box.
pub(crate) struct Space {
    pub lower: Vec<f32>,
    pub upper: Vec<f32>,
    /// Whether a gradient other than zero was seen here.
    pub gradient: bool,
}

impl Space {
    /// `None` where the box holds no float32 point.
    pub fn of(case: &Case) -> Option<Space> {
        let lower: Vec<f32> = case.lower.iter().map(|&low| up(low)).collect();
        let upper: Vec<f32> = case.upper.iter().map(|&high| -up(-high)).collect();
        let holds = |(low, high): (&f32, &f32)| low <= high && low.is_finite() && high.is_finite();
        let holds_points = lower.iter().zip(&upper).all(holds);
        holds_points.then_some(Space {
            lower,
            upper,
            gradient: false,
        })
    }

    pub fn len(&self) -> usize {
        self.lower.len()
    }

    /// `(low, high)` of each element.
    pub fn bounds(&self) -> impl Iterator<Item = (f32, f32)> {
        self.lower.iter().copied().zip(self.upper.iter().copied())
    }
}

/// The least float32 that is not below `value`.
fn up(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) < value {
        nearest.next_up()
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_inward() {
        for value in [0.1, -0.1, 1.0, -1.0, 0.0, 1e-50, -1e-50, 0.3, 1.0 / 3.0] {
            let (low, high) = (up(value), -up(-value));
            assert!(
                f64::from(low) >= value && f64::from(low.next_down()) < value,
                "{value}"
            );
            assert!(
                f64::from(high) <= value && f64::from(high.next_up()) > value,
                "{value}"
            );
        }
    }

    #[test]
    fn a_box_between_two_floats_is_empty() {
        let case = |low: f64, high: f64| Case {
            lower: vec![low],
            upper: vec![high],
            any: Vec::new(),
        };
        assert!(Space::of(&case(1.0 + 1e-9, 1.0 + 2e-9)).is_none());
        assert!(Space::of(&case(1e300, 1e301)).is_none());
        assert!(Space::of(&case(0.5, 0.5)).is_some());
    }
}
