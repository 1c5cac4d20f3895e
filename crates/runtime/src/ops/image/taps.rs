//! What of an axis makes each place of the resized axis: coordinates and filters, in one dimension.
//! Keys 1981 for the cubic filter.

/// From where in the axis a place of the resized axis is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinate {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    HalfPixelForNearest,
    Crop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// Of opset 10: up where the axis shrinks, down where it grows.
    Simple,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Filter {
    Nearest(Rounding),
    Linear,
    /// With the filter's parameter.
    Cubic(f64),
}

/// How axes are resized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Method {
    pub coordinate: Coordinate,
    pub filter: Filter,
    /// Where the axis shrinks, the filter is widened.
    pub antialias: bool,
    /// Taps beyond the ends count for nothing; else they repeat the ends.
    pub exclude_outside: bool,
}

/// One axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resized {
    pub input: usize,
    pub output: usize,
    pub scale: f32,
    /// Beginning and end of the region of interest.
    pub region: (f32, f32),
}

impl Resized {
    /// Whether every place stays what and where it is.
    pub fn stays(&self, method: &Method) -> bool {
        use Coordinate::{Crop, HalfPixelForNearest};
        self.input == self.output
            && self.scale == 1.0
            && !matches!(method.coordinate, Crop | HalfPixelForNearest)
    }
}

/// The taps of one place of the output, and their weights. None where it lies outside of a cropped
/// input.
pub(super) type Taps = Vec<(usize, f32)>;

/// The taps of every place of the output.
pub(super) fn taps(method: &Method, axis: &Resized) -> Vec<Taps> {
    (0..axis.output)
        .map(|place| {
            let at = coordinate(method.coordinate, axis, place as f32);
            let last = axis.input as f32 - 1.0;
            if method.coordinate == Coordinate::Crop && !(at >= 0.0 && at <= last) {
                return Vec::new();
            }
            match method.filter {
                Filter::Nearest(rounding) => {
                    let nearest = round(rounding, at, axis.scale).clamp(0.0, last);
                    vec![(nearest as usize, 1.0)]
                }
                _ => filtered(method, axis, at.into()),
            }
        })
        .collect()
}

/// In float32, as onnxruntime does: where a place lies between two others, rounding decides.
fn coordinate(coordinate: Coordinate, axis: &Resized, place: f32) -> f32 {
    let (input, output, scale) = (axis.input as f32, axis.output as f32, axis.scale);
    match coordinate {
        Coordinate::HalfPixel => (place + 0.5) / scale - 0.5,
        Coordinate::HalfPixelSymmetric => {
            let adjustment = output / (scale * input);
            input / 2.0 * (1.0 - adjustment) + (place + 0.5) / scale - 0.5
        }
        Coordinate::PytorchHalfPixel if axis.output == 1 => 0.0,
        Coordinate::PytorchHalfPixel => (place + 0.5) / scale - 0.5,
        // The length of the resized axis before it is rounded down.
        Coordinate::AlignCorners => match scale * input {
            1.0 => 0.0,
            length => place * (input - 1.0) / (length - 1.0),
        },
        Coordinate::Asymmetric => place / scale,
        Coordinate::HalfPixelForNearest => (place + 0.5) / scale,
        Coordinate::Crop => {
            let (begin, end) = axis.region;
            match axis.output {
                1 => 0.5 * (begin + end) * (input - 1.0),
                _ => {
                    let along = place * (end - begin) * (input - 1.0);
                    begin * (input - 1.0) + along / (output - 1.0)
                }
            }
        }
    }
}

fn round(rounding: Rounding, at: f32, scale: f32) -> f32 {
    match rounding {
        Rounding::PreferFloor => (at - 0.5).ceil(),
        Rounding::PreferCeil => (at + 0.5).floor(),
        Rounding::Floor => at.floor(),
        Rounding::Ceil => at.ceil(),
        Rounding::Simple if scale < 1.0 => at.ceil(),
        Rounding::Simple => at.floor(),
    }
}

/// The filter around `at`, cut at the ends of the axis.
fn filtered(method: &Method, axis: &Resized, at: f64) -> Taps {
    let stretch = match method.antialias {
        true => f64::from(axis.scale).min(1.0),
        false => 1.0,
    };
    let (reach, cubic) = match method.filter {
        Filter::Cubic(a) => (2.0, Some(a)),
        _ => (1.0, None),
    };
    let weight = |tap: f64| {
        let distance = ((tap - at) * stretch).abs();
        match cubic {
            Some(a) => keys(a, distance),
            None => (1.0 - distance).max(0.0),
        }
    };
    let first = (at - reach / stretch).floor();
    let end = (at + reach / stretch).ceil();
    let last = axis.input as f64 - 1.0;
    let all = (0..=(end - first) as usize).map(|i| first + i as f64);
    let all: Vec<(f64, f64)> = all.map(|tap| (tap, weight(tap))).collect();
    let inside = |tap: f64| (0.0..=last).contains(&tap);
    let sum = |excluding: bool| -> f64 {
        let counted = all.iter().filter(|(tap, _)| !excluding || inside(*tap));
        counted.map(|(_, weight)| weight).sum()
    };
    let excluding = method.exclude_outside && sum(true) != 0.0;
    let total = match excluding || method.antialias {
        true => sum(excluding),
        false => 1.0,
    };
    let mut taps: Taps = Vec::with_capacity(all.len());
    for (tap, weight) in all {
        if weight == 0.0 || excluding && !inside(tap) {
            continue;
        }
        let index = tap.clamp(0.0, last) as usize;
        let weight = (weight / total) as f32;
        match taps.last_mut().filter(|(last, _)| *last == index) {
            Some((_, sum)) => *sum += weight,
            None => taps.push((index, weight)),
        }
    }
    taps
}

/// The cubic filter with parameter `a`.
fn keys(a: f64, x: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(input: usize, output: usize) -> Resized {
        Resized {
            input,
            output,
            scale: output as f32 / input as f32,
            region: (0.0, 1.0),
        }
    }

    fn method(coordinate: Coordinate, filter: Filter) -> Method {
        Method {
            coordinate,
            filter,
            antialias: false,
            exclude_outside: false,
        }
    }

    #[test]
    fn nearest() {
        use Rounding::*;
        let indices = |coordinate, rounding, input, output| -> Vec<usize> {
            let method = method(coordinate, Filter::Nearest(rounding));
            let taps = taps(&method, &axis(input, output));
            taps.iter().map(|taps| taps[0].0).collect()
        };
        assert_eq!(
            indices(Coordinate::HalfPixel, PreferFloor, 2, 4),
            [0, 0, 1, 1]
        );
        assert_eq!(indices(Coordinate::HalfPixel, Ceil, 2, 4), [0, 1, 1, 1]);
        // At 0.5 and 2.5.
        assert_eq!(indices(Coordinate::HalfPixel, PreferFloor, 4, 2), [0, 2]);
        assert_eq!(indices(Coordinate::HalfPixel, PreferCeil, 4, 2), [1, 3]);
        assert_eq!(indices(Coordinate::Asymmetric, Floor, 2, 4), [0, 0, 1, 1]);
        assert_eq!(indices(Coordinate::Asymmetric, Simple, 5, 2), [0, 3]);
        assert_eq!(indices(Coordinate::AlignCorners, Floor, 3, 2), [0, 2]);
    }

    #[test]
    fn linear() {
        let method = method(Coordinate::HalfPixel, Filter::Linear);
        let half = taps(&method, &axis(2, 4));
        assert_eq!(half[0], [(0, 1.0)]);
        assert_eq!(half[1], [(0, 0.75), (1, 0.25)]);
        let smooth = Method {
            antialias: true,
            ..method
        };
        let quarters = taps(&smooth, &axis(8, 2));
        assert_eq!(quarters[0].len(), 6);
        let sum: f32 = quarters[0].iter().map(|(_, weight)| weight).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn cubic() {
        let cubic = method(Coordinate::HalfPixel, Filter::Cubic(-0.75));
        let all = taps(&cubic, &axis(4, 8));
        // At -0.25 the taps at -2 and -1 repeat the first one.
        let weight = keys(-0.75, 1.75) + keys(-0.75, 0.75) + keys(-0.75, 0.25);
        assert_eq!(all[0][0], (0, weight as f32));
        let excluding = Method {
            exclude_outside: true,
            ..cubic
        };
        let sum: f32 = taps(&excluding, &axis(4, 8))[0].iter().map(|t| t.1).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn crops() {
        let crop = method(Coordinate::Crop, Filter::Linear);
        let axis = Resized {
            region: (-0.5, 0.5),
            ..axis(3, 3)
        };
        // At -1, 0 and 1.
        let all = taps(&crop, &axis);
        assert_eq!(all, [vec![], vec![(0, 1.0)], vec![(1, 1.0)]]);
    }
}
