//! The forms of the ten digits: strokes through a few points, in a box of width 1.2 and height 2
//! about the origin, y down.

use super::raster::Point;

pub(super) const HALF_WIDTH: f32 = 0.6;
pub(super) const HALF_HEIGHT: f32 = 1.0;

/// Pieces that a curve is cut into between two of its points.
const PIECES: usize = 5;

/// A point of the table, in hundredths.
type Mark = (i8, i8);

/// One movement of the pen.
pub(super) enum Stroke {
    /// Straight from point to point.
    Line(&'static [Mark]),
    /// A Catmull-Rom curve through the points; closed when the first is the last.
    Curve(&'static [Mark]),
}
use Stroke::{Curve, Line};

/// One way to write a digit.
pub(super) type Form = &'static [Stroke];

/// The ways to write each digit.
#[rustfmt::skip]
pub(super) const DIGITS: [&[Form]; 10] = [
    &[
        &[
            Curve(&[
                (0, -100), (-43, -70), (-58, 0), (-43, 70), (0, 100), (43, 70), (58, 0), (43, -70),
                (0, -100),
            ]),
        ],
        &[
            Curve(&[
                (22, -86), (-15, -93), (-45, -50), (-50, 20), (-25, 87), (20, 90), (48, 30),
                (40, -50), (5, -100),
            ]),
        ],
    ],
    &[
        &[Line(&[(0, -100), (0, 100)])],
        &[Line(&[(-35, -55), (5, -100), (5, 100)])],
        &[Line(&[(-35, -60), (0, -100), (0, 100)]), Line(&[(-40, 100), (40, 100)])],
    ],
    &[
        &[
            Curve(&[(-50, -55), (-30, -90), (10, -100), (47, -70), (40, -25), (0, 35), (-55, 97)]),
            Line(&[(-55, 97), (58, 97)]),
        ],
        &[
            Curve(&[
                (-50, -60), (-10, -100), (42, -70), (30, -10), (-15, 60), (-45, 95), (-55, 70),
                (-25, 65), (15, 92), (58, 85),
            ]),
        ],
    ],
    &[
        &[
            Curve(&[(-50, -75), (-10, -100), (38, -82), (38, -35), (-15, -5)]),
            Curve(&[(-15, -5), (42, 12), (53, 55), (15, 97), (-30, 95), (-55, 70)]),
        ],
        &[
            Line(&[(-50, -97), (50, -97), (-8, -20)]),
            Curve(&[(-8, -20), (42, 0), (52, 50), (10, 97), (-52, 78)]),
        ],
    ],
    &[
        &[Line(&[(25, 100), (25, -100), (-60, 40), (60, 40)])],
        &[
            Curve(&[(-35, -95), (-48, -40), (-50, 12)]),
            Line(&[(-50, 12), (60, 8)]),
            Line(&[(32, -90), (25, 100)]),
        ],
    ],
    &[
        &[
            Line(&[(50, -100), (-40, -100), (-48, -15)]),
            Curve(&[(-48, -15), (0, -32), (48, 0), (48, 60), (5, 100), (-55, 80)]),
        ],
        &[
            Curve(&[
                (52, -95), (0, -98), (-42, -70), (-30, -25), (25, -5), (50, 42), (12, 95),
                (-52, 82),
            ]),
        ],
    ],
    &[
        &[
            Curve(&[
                (35, -100), (-20, -60), (-50, 0), (-48, 60), (-5, 100), (40, 80), (48, 40), (15, 8),
                (-25, 20), (-50, 55),
            ]),
        ],
        &[Curve(&[(12, -100), (-28, -30), (-45, 45), (0, 100), (43, 60), (12, 15), (-40, 50)])],
    ],
    &[
        &[Line(&[(-55, -97), (55, -97)]), Curve(&[(55, -97), (15, -10), (-10, 100)])],
        &[Line(&[(-55, -97), (55, -97), (-15, 100)]), Line(&[(-25, 0), (45, -5)])],
        &[Line(&[(-52, -70), (-52, -100), (52, -100), (-5, 100)])],
    ],
    &[
        &[
            Curve(&[
                (0, -100), (38, -80), (33, -35), (0, -4), (-45, 35), (-42, 80), (0, 100), (42, 80),
                (45, 35), (0, -4), (-33, -35), (-38, -80), (0, -100),
            ]),
        ],
        &[
            Curve(&[(0, -100), (-36, -78), (-33, -30), (0, -8), (33, -30), (36, -78), (0, -100)]),
            Curve(&[(0, -8), (-45, 22), (-45, 75), (0, 100), (45, 75), (45, 22), (0, -8)]),
        ],
    ],
    &[
        &[
            Curve(&[
                (48, -50), (30, -92), (-15, -100), (-50, -62), (-36, -16), (8, -10), (48, -50),
            ]),
            Curve(&[(50, -62), (47, 20), (35, 100)]),
        ],
        &[
            Curve(&[
                (48, -50), (30, -92), (-15, -100), (-48, -62), (-36, -20), (8, -14), (48, -50),
            ]),
            Curve(&[(48, -50), (50, 25), (20, 88), (-38, 92)]),
        ],
    ],
];

/// A stroke as a chain of points.
pub(super) fn flatten(stroke: &Stroke) -> Vec<Point> {
    match *stroke {
        Line(marks) => points(marks),
        Curve(marks) => catmull_rom(&points(marks)),
    }
}

fn points(marks: &[Mark]) -> Vec<Point> {
    let unit = |hundredths: i8| f32::from(hundredths) / 100.0;
    marks.iter().map(|&(x, y)| [unit(x), unit(y)]).collect()
}

/// Catmull and Rom, "A class of local interpolating splines", 1974, uniform. An open end stands in
/// for its missing neighbour.
fn catmull_rom(points: &[Point]) -> Vec<Point> {
    let last = points.len() - 1;
    let closed = points[0] == points[last];
    let (before, after) = if closed { (last - 1, 1) } else { (0, last) };
    let mut path = vec![points[0]];
    for i in 0..last {
        let p0 = points[if i == 0 { before } else { i - 1 }];
        let p3 = points[if i + 1 == last { after } else { i + 2 }];
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            path.push([0, 1].map(|k| hermite(p0[k], points[i][k], points[i + 1][k], p3[k], t)));
        }
    }
    path
}

/// The cubic from `b` at t = 0 to `c` at t = 1 with the slopes (c - a) / 2 and (d - b) / 2.
fn hermite(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    b + t * 0.5 * ((c - a) + t * ((2.0 * a - 5.0 * b + 4.0 * c - d) + t * (3.0 * (b - c) + d - a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form with its digit.
    fn forms() -> impl Iterator<Item = (usize, Form)> {
        let all = DIGITS.iter().enumerate();
        all.flat_map(|(digit, forms)| forms.iter().map(move |&form| (digit, form)))
    }

    #[test]
    fn curves_pass_through_their_points() {
        for (digit, stroke) in forms().flat_map(|(d, form)| form.iter().map(move |s| (d, s))) {
            let (Line(marks) | Curve(marks)) = *stroke;
            let path = flatten(stroke);
            for p in points(marks) {
                let near = |q: &Point| (q[0] - p[0]).abs() + (q[1] - p[1]).abs() < 1e-5;
                assert!(path.iter().any(near), "{digit}: {p:?}");
            }
        }
    }

    #[test]
    fn forms_fill_the_box_and_stay_in_it() {
        for (digit, form) in forms() {
            let points: Vec<Point> = form.iter().flat_map(flatten).collect();
            let most = |k: usize| points.iter().fold(0.0_f32, |m, p| m.max(p[k].abs()));
            let (width, height) = (most(0), most(1));
            assert!(width <= HALF_WIDTH + 0.03, "{digit}: {width}");
            assert!(
                (0.9..=HALF_HEIGHT + 0.03).contains(&height),
                "{digit}: {height}"
            );
        }
    }

    #[test]
    fn a_straight_curve_is_a_line() {
        let path = catmull_rom(&[[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]);
        assert_eq!(path.len(), 1 + 3 * PIECES);
        assert!(path.iter().all(|[x, y]| (y - 2.0 * x).abs() < 1e-5));
    }
}
