//! A canvas of signed distances to the ink, in pixels: negative inside. Coverage comes from it at
//! any softness.

/// Pixels on a side.
pub(super) const SIDE: usize = 28;
/// Distances beyond this many pixels from a stroke are not told apart.
const REACH: f32 = 2.0;

pub(super) type Point = [f32; 2];

pub(super) struct Canvas([f32; SIDE * SIDE]);

impl Canvas {
    pub(super) fn new() -> Self {
        Canvas([REACH; SIDE * SIDE])
    }

    /// Distances from the pixel centres to the ink, at most [`REACH`], row by row.
    pub(super) fn distances(&self) -> &[f32] {
        &self.0
    }

    /// Draws a path whose half-width goes from `radius.0` to `radius.1`.
    pub(super) fn draw(&mut self, path: &[Point], radius: (f32, f32)) {
        let last = path.len().saturating_sub(1).max(1) as f32;
        for (i, ends) in path.windows(2).enumerate() {
            let along = i as f32 / last;
            self.segment(ends[0], ends[1], radius.0 + (radius.1 - radius.0) * along);
        }
    }

    fn segment(&mut self, a: Point, b: Point, radius: f32) {
        let margin = radius + REACH;
        let (columns, rows) = (span(a[0], b[0], margin), span(a[1], b[1], margin));
        for row in rows {
            for column in columns.clone() {
                let centre = [column as f32 + 0.5, row as f32 + 0.5];
                let cell = &mut self.0[row * SIDE + column];
                *cell = cell.min(distance(centre, a, b) - radius);
            }
        }
    }
}

/// The pixels whose centres may lie within `margin` of [a, b], on the canvas.
fn span(a: f32, b: f32, margin: f32) -> std::ops::Range<usize> {
    let (low, high) = (a.min(b) - margin, a.max(b) + margin);
    // A float to integer cast saturates, so that what lies off the canvas gives an empty range.
    (low as usize).min(SIDE)..((high + 1.0) as usize).min(SIDE)
}

/// From `p` to the segment `a`-`b`.
fn distance(p: Point, a: Point, b: Point) -> f32 {
    let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length2 = ab[0] * ab[0] + ab[1] * ab[1];
    let t = if length2 > 0.0 {
        ((ap[0] * ab[0] + ap[1] * ab[1]) / length2).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (dx, dy) = (ap[0] - t * ab[0], ap[1] - t * ab[1]);
    (dx * dx + dy * dy).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_to_a_segment() {
        let (a, b) = ([1.0, 1.0], [5.0, 1.0]);
        for (p, expected) in [
            ([3.0, 3.0], 2.0),
            ([0.0, 1.0], 1.0),
            ([8.0, 5.0], 5.0),
            ([2.0, 1.0], 0.0),
        ] {
            assert_eq!(distance(p, a, b), expected, "{p:?}");
        }
        assert_eq!(distance([4.0, 5.0], a, a), 5.0);
    }

    /// The culled drawing equals the distance to every pixel, also for segments that leave the
    /// canvas.
    #[test]
    fn culling_changes_nothing() {
        let mut rng = crate::philox::Philox::new(5, 0, 0);
        for case in 0..300 {
            let mut point = || [rng.uniform(-40.0, 60.0), rng.uniform(-40.0, 60.0)];
            let (a, b) = (point(), point());
            let radius = rng.uniform(0.2, 3.0);
            let mut canvas = Canvas::new();
            canvas.draw(&[a, b], (radius, radius));
            for (i, &found) in canvas.distances().iter().enumerate() {
                let centre = [(i % SIDE) as f32 + 0.5, (i / SIDE) as f32 + 0.5];
                let expected = (distance(centre, a, b) - radius).min(REACH);
                assert_eq!(found, expected, "case {case}, pixel {i}");
            }
        }
    }

    #[test]
    fn width_goes_along_the_path() {
        let path: Vec<Point> = (0..=20).map(|i| [4.0 + i as f32, 14.5]).collect();
        let mut canvas = Canvas::new();
        canvas.draw(&path, (1.0, 3.0));
        let on_axis = |column: usize| canvas.distances()[14 * SIDE + column];
        assert!(
            on_axis(5) > -1.2 && on_axis(22) < -2.6,
            "{} {}",
            on_axis(5),
            on_axis(22)
        );
    }
}
