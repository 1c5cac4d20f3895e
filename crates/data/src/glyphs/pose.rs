//! Where and how a digit stands: a smooth bend of its box, then an affine map onto the pixel grid.
//!
//! The bend is a free-form deformation with a 4 x 4 net (Sederberg and Parry, SIGGRAPH 1986):
//! strokes that meet still meet after it.

use super::raster::{Point, SIDE};
use super::strokes::{HALF_HEIGHT, HALF_WIDTH};
use crate::philox::Philox;

const NET: usize = 4;
const BEND: f32 = 0.35;

pub(super) struct Pose {
    net: [[Point; NET]; NET],
    matrix: [[f32; 2]; 2],
    centre: Point,
    thickness: f32,
}

impl Pose {
    pub(super) fn random(rng: &mut Philox) -> Self {
        let mut net = [[[0.0; 2]; NET]; NET];
        net.as_flattened_mut()
            .as_flattened_mut()
            .iter_mut()
            .for_each(|d| *d = BEND * rng.triangular());
        let height = rng.uniform(6.0, 10.5);
        let width = height * rng.uniform(0.7, 1.15);
        let shear = 0.35 * rng.triangular();
        let (cos, sin) = rotation(0.28 * rng.triangular());
        let middle = SIDE as f32 / 2.0;
        Pose {
            net,
            matrix: [
                [cos * width, height * (cos * shear - sin)],
                [sin * width, height * (sin * shear + cos)],
            ],
            centre: [
                middle + rng.uniform(-3.0, 3.0),
                middle + rng.uniform(-3.0, 3.0),
            ],
            thickness: height * rng.uniform(0.07, 0.19),
        }
    }

    /// A point of the digit's box in pixels.
    pub(super) fn place(&self, point: Point) -> Point {
        let [x, y] = self.bend(point);
        let [[a, b], [c, d]] = self.matrix;
        [
            self.centre[0] + a * x + b * y,
            self.centre[1] + c * x + d * y,
        ]
    }

    /// Half the width of a stroke at one of its ends, in pixels.
    pub(super) fn radius(&self, rng: &mut Philox) -> f32 {
        self.thickness * rng.uniform(0.75, 1.25)
    }

    fn bend(&self, point: Point) -> Point {
        let across = bernstein((point[0] / HALF_WIDTH + 1.0) / 2.0);
        let down = bernstein((point[1] / HALF_HEIGHT + 1.0) / 2.0);
        let mut bent = point;
        for (row, v) in self.net.iter().zip(down) {
            for (shift, u) in row.iter().zip(across) {
                bent[0] += u * v * shift[0];
                bent[1] += u * v * shift[1];
            }
        }
        bent
    }
}

/// Cosine and sine of the angle whose half has the tangent `t`; the same bits everywhere, as those
/// of libm are not.
fn rotation(t: f32) -> (f32, f32) {
    let scale = 1.0 / (1.0 + t * t);
    ((1.0 - t * t) * scale, 2.0 * t * scale)
}

/// The cubic Bernstein polynomials at `t`.
fn bernstein(t: f32) -> [f32; NET] {
    let s = 1.0 - t;
    [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_on_the_unit_circle() {
        for (t, (cos, sin)) in [(0.0, (1.0, 0.0)), (1.0, (0.0, 1.0)), (-0.5, (0.6, -0.8))] {
            let (c, s) = rotation(t);
            assert!(
                (c - cos).abs() < 1e-6 && (s - sin).abs() < 1e-6,
                "{t}: {c} {s}"
            );
        }
    }

    #[test]
    fn without_a_bend_the_map_is_affine() {
        let mut pose = Pose::random(&mut Philox::new(3, 0, 0));
        pose.net = [[[0.0; 2]; NET]; NET];
        let [o, x, y, xy] = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.5, 0.5]].map(|p| pose.place(p));
        assert_eq!(o, pose.centre);
        for k in 0..2 {
            assert!((x[k] + y[k] - o[k] - xy[k]).abs() < 1e-4);
        }
    }

    #[test]
    fn a_uniform_net_is_a_shift() {
        let mut pose = Pose::random(&mut Philox::new(3, 0, 1));
        pose.net = [[[0.1, -0.2]; NET]; NET];
        let [x, y] = pose.bend([0.3, -0.7]);
        assert!((x - 0.4).abs() < 1e-6 && (y + 0.9).abs() < 1e-6, "{x} {y}");
    }
}
