//! An image on the host, and the random numbers of one sample.

use std::f32::consts::TAU;

use scoville_kernels::Image;
use scoville_kernels::philox::{key, philox4x32, unit};

/// An image in [0, 1], plane after plane.
#[derive(Clone)]
pub struct Picture {
    pub image: Image,
    pub values: Vec<f32>,
}

impl Picture {
    pub fn new(image: Image, values: &[f32]) -> Self {
        let values = values.to_vec();
        Self { image, values }
    }

    pub fn planes(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let plane = (self.image.height * self.image.width).max(1);
        self.values.chunks_exact_mut(plane)
    }

    /// Changes each pixel's three channels; what is not of three channels stays.
    pub fn colours(&mut self, change: impl Fn([f32; 3]) -> [f32; 3]) {
        if self.image.channels != 3 {
            return;
        }
        let plane = self.image.height * self.image.width;
        let (red, rest) = self.values.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            [*r, *g, *b] = change([*r, *g, *b]);
        }
    }

    /// Every pixel of every plane anew, from where it stands (row, column) and the plane as it was.
    pub fn redraw(&mut self, pixel: impl Fn(&Plane<'_>, usize, usize) -> f32) {
        let (height, width) = (self.image.height, self.image.width);
        for plane in self.planes() {
            let before = plane.to_vec();
            let view = Plane {
                values: &before,
                height,
                width,
            };
            for (at, value) in plane.iter_mut().enumerate() {
                *value = pixel(&view, at / width, at % width);
            }
        }
    }
}

/// One channel.
pub struct Plane<'a> {
    values: &'a [f32],
    pub height: usize,
    pub width: usize,
}

impl Plane<'_> {
    /// The pixel, that of the nearest edge beyond the image.
    pub fn at(&self, row: isize, column: isize) -> f32 {
        let row = row.clamp(0, self.height as isize - 1) as usize;
        let column = column.clamp(0, self.width as isize - 1) as usize;
        self.values[row * self.width + column]
    }

    /// Between pixels, by bilinear interpolation.
    pub fn between(&self, row: f32, column: f32) -> f32 {
        let (top, left) = (row.floor(), column.floor());
        let (down, right) = (row - top, column - left);
        let (top, left) = (top as isize, left as isize);
        let along = |row| self.at(row, left) * (1.0 - right) + self.at(row, left + 1) * right;
        along(top) * (1.0 - down) + along(top + 1) * down
    }

    /// The same, black beyond the image.
    pub fn between_or_black(&self, row: f32, column: f32) -> f32 {
        let inside = |at: f32, size: usize| at > -0.5 && at < size as f32 - 0.5;
        if inside(row, self.height) && inside(column, self.width) {
            self.between(row, column)
        } else {
            0.0
        }
    }
}

/// Random numbers of one sample, the same whatever its batch.
pub struct Draws {
    key: [u32; 2],
    sample: u32,
    count: u32,
}

impl Draws {
    pub fn new(seed: u64, sample: u32) -> Self {
        Self {
            key: key(seed),
            sample,
            count: 0,
        }
    }

    fn words(&mut self) -> [u32; 4] {
        self.count += 1;
        philox4x32([self.count, self.sample, 0, 0], self.key)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        unit(self.words()[0])
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Standard normal (Box & Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let [a, b, ..] = self.words();
        (-2.0 * (1.0 - unit(a)).ln()).sqrt() * (TAU * unit(b)).cos()
    }

    /// Poisson: by counting up to a mean of 30, the rounded normal of the same mean and variance above.
    pub fn poisson(&mut self, mean: f32) -> f32 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut count, mut left) = (0.0, self.unit());
        let least = (-mean).exp();
        while left > least {
            left *= self.unit();
            count += 1.0;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_their_moments() {
        let mut draws = Draws::new(7, 11);
        let mut moments = |draw: &mut dyn FnMut(&mut Draws) -> f32| {
            let all: Vec<f64> = (0..20_000).map(|_| draw(&mut draws).into()).collect();
            let mean = all.iter().sum::<f64>() / 20_000.0;
            let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
            (mean, variance)
        };
        for (mean, draw) in [(4.0, 4.0), (60.0, 60.0_f32)] {
            let (got, variance) = moments(&mut |d| d.poisson(draw));
            assert!((got - mean).abs() < 0.05 * mean && (variance - mean).abs() < 0.06 * mean);
        }
        let (mean, variance) = moments(&mut Draws::normal);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04);
    }

    #[test]
    fn between_pixels_lies_their_mean() {
        let plane = Plane {
            values: &[0.0, 1.0, 2.0, 3.0],
            height: 2,
            width: 2,
        };
        assert_eq!(plane.between(0.5, 0.5), 1.5);
        assert_eq!(
            (plane.at(-3, 9), plane.between_or_black(-3.0, 0.0)),
            (1.0, 0.0)
        );
    }
}
