//! The discrete Fourier transform as a product with matrices of cosines and sines, which are
//! computed in f64.

use std::f64::consts::TAU;

use burn_backend::{Backend, Shape, Slice, TensorData, TensorMetadata, tensor::FloatTensor};

use crate::Fault;
use crate::ops::movement::kept::Kept;

/// Most elements of one matrix.
const MAX_MATRIX: usize = 1 << 24;

/// Which transform of how many points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transform {
    pub length: usize,
    pub inverse: bool,
    /// Half of a spectrum: of a real signal forward, to a real signal backward.
    pub onesided: bool,
}

/// Cosines and sines.
pub(super) type Matrices<B> = Kept<[FloatTensor<B>; 2]>;

impl Transform {
    /// Points that are read, and points that come out.
    pub fn points(self) -> (usize, usize) {
        let half = self.length / 2 + 1;
        match (self.onesided, self.inverse) {
            (true, true) => (half, self.length),
            (true, false) => (self.length, half),
            (false, _) => (self.length, self.length),
        }
    }

    /// How many numbers a point has that comes out.
    pub fn parts(self) -> usize {
        if self.onesided && self.inverse { 1 } else { 2 }
    }

    pub fn check(self) -> Result<(), Fault> {
        let (read, made) = self.points();
        match read.checked_mul(made) {
            _ if self.length == 0 => Err(Fault::shape("a transform of no points")),
            Some(size) if size <= MAX_MATRIX => Ok(()),
            _ => Err(Fault::Unsupported(format!(
                "a transform of {} points",
                self.length
            ))),
        }
    }

    /// Of a row of `read` points: each point's weight times cosine, and times sine, in each made.
    fn matrices<B: Backend>(self, read: usize, device: &B::Device) -> [FloatTensor<B>; 2] {
        let made = self.points().1;
        let scale = if self.inverse {
            self.length as f64
        } else {
            1.0
        };
        let weight = |point: usize| {
            // The other half of the spectrum is this one's mirror image.
            let mirrored = self.onesided && self.inverse && point > 0 && 2 * point != self.length;
            f64::from(1 + u8::from(mirrored)) / scale
        };
        let matrix = |wave: fn(f64) -> f64| {
            let element = |i: usize| {
                let (point, bin) = (i / made, i % made);
                let turns = (point * bin % self.length) as f64 / self.length as f64;
                (weight(point) * wave(TAU * turns)) as f32
            };
            let values: Vec<f32> = (0..read * made).map(element).collect();
            B::float_from_data(TensorData::new(values, [read, made]), device)
        };
        [matrix(f64::cos), matrix(f64::sin)]
    }

    /// Transforms rows of points `[rows, points, 1 or 2]` to `[rows, points, parts]`. Points beyond
    /// the length are not read; missing ones are 0.
    pub fn apply<B: Backend>(
        self,
        x: FloatTensor<B>,
        kept: &Matrices<B>,
        device: &B::Device,
    ) -> Result<FloatTensor<B>, Fault> {
        let &[rows, points, parts] = x.shape().to_vec().as_slice() else {
            return Err(Fault::shape("the points are no rows"));
        };
        let (read, made) = self.points();
        let read = read.min(points);
        let [cos, sin] = kept.get(None, &[self.length, read], || {
            Ok(self.matrices::<B>(read, device))
        })?;
        let part = |i: usize| {
            let range = [0..rows, 0..read, i..i + 1].map(Slice::from);
            let part = B::float_slice(x.clone(), &range);
            B::float_reshape(part, Shape::from([rows, read]))
        };
        let real = part(0);
        let imaginary = (parts == 2).then(|| part(1));
        let times = |x: &FloatTensor<B>, matrix: &FloatTensor<B>| {
            B::float_matmul(x.clone(), matrix.clone())
        };
        let sign = if self.inverse { -1.0f32 } else { 1.0 };
        let signed = |x| B::float_mul_scalar(x, sign.into());
        let mut out = vec![match &imaginary {
            Some(imaginary) => B::float_add(times(&real, &cos), signed(times(imaginary, &sin))),
            None => times(&real, &cos),
        }];
        if self.parts() == 2 {
            let turned = B::float_neg(signed(times(&real, &sin)));
            out.push(match &imaginary {
                Some(imaginary) => B::float_add(times(imaginary, &cos), turned),
                None => turned,
            });
        }
        let column = |x| B::float_reshape(x, Shape::from([rows, made, 1]));
        Ok(B::float_cat(out.into_iter().map(column).collect(), 2))
    }
}
