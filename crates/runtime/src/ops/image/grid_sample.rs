//! GridSample: the image \[n, c, ...\] at the places of a grid \[n, ..., axes\] whose coordinates run
//! from -1 to 1, the last axis first. Jaderberg et al. 2015. Differentiable by image and by grid.

use burn_backend::{
    Backend, IntDType, Shape,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

struct GridSample {
    mode: Mode,
    padding: Padding,
    align_corners: bool,
}

/// A neighbour along one axis: its weight, and its index in the axis.
type Tap<B> = (Option<FloatTensor<B>>, IntTensor<B>);

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let mode = match attributes.string("mode")? {
        None | Some("linear" | "bilinear") => Mode::Linear,
        Some("cubic" | "bicubic") => Mode::Cubic,
        Some("nearest") => Mode::Nearest,
        Some(other) => return Err(Fault::Unsupported(format!("mode {other:?}"))),
    };
    let padding = match attributes.string("padding_mode")? {
        None | Some("zeros") => Padding::Zeros,
        Some("border") => Padding::Border,
        Some("reflection") => Padding::Reflection,
        Some(other) => return Err(Fault::Unsupported(format!("padding_mode {other:?}"))),
    };
    Ok(Box::new(GridSample {
        mode,
        padding,
        align_corners: attributes.int_or("align_corners", 0)? != 0,
    }))
}

impl GridSample {
    /// Normalised coordinates as places along an axis of `size`.
    fn places<B: Backend>(&self, n: FloatTensor<B>, size: f32) -> FloatTensor<B> {
        let from_zero = B::float_add_scalar(n, 1.0f32.into());
        let at = match self.align_corners {
            true => B::float_mul_scalar(from_zero, ((size - 1.0) / 2.0).into()),
            false => B::float_sub_scalar(
                B::float_mul_scalar(from_zero, (size / 2.0).into()),
                0.5f32.into(),
            ),
        };
        let at = match self.mode {
            Mode::Nearest => B::float_round(at),
            _ => at,
        };
        match self.padding {
            Padding::Zeros | Padding::Border => at,
            Padding::Reflection => reflected::<B>(at, size, self.align_corners),
        }
    }

    /// The neighbours of places along an axis of `size`.
    fn taps<B: Backend>(&self, at: FloatTensor<B>, size: f32) -> Vec<Tap<B>> {
        if self.mode == Mode::Nearest {
            return vec![self.tap::<B>(at, None, size)];
        }
        let floor = B::float_floor(at.clone());
        let ratio = B::float_sub(at, floor.clone());
        let weights = match self.mode {
            Mode::Cubic => (-1..3).map(|i| (i, keys::<B>(&ratio, i))).collect(),
            _ => {
                let left = B::float_add_scalar(B::float_neg(ratio.clone()), 1.0f32.into());
                vec![(0, left), (1, ratio)]
            }
        };
        let tap = |(i, weight): (i32, FloatTensor<B>)| {
            let index = B::float_add_scalar(floor.clone(), (i as f32).into());
            self.tap::<B>(index, Some(weight), size)
        };
        weights.into_iter().map(tap).collect()
    }

    /// The neighbour at whole numbers `index`, which may lie outside of the axis.
    fn tap<B: Backend>(
        &self,
        index: FloatTensor<B>,
        weight: Option<FloatTensor<B>>,
        size: f32,
    ) -> Tap<B> {
        let (weight, index) = match self.padding {
            Padding::Zeros => {
                let inside = inside::<B>(index.clone(), size);
                let weight = match weight {
                    Some(weight) => B::float_mul(weight, inside),
                    None => inside,
                };
                (Some(weight), index)
            }
            Padding::Border => (weight, index),
            Padding::Reflection => (weight, reflected::<B>(index, size, self.align_corners)),
        };
        let index = B::float_clamp(index, 0.0f32.into(), (size - 1.0).into());
        (weight, B::float_into_int(index, IntDType::I32))
    }
}

/// 1 for the whole numbers from 0 to below `size`, 0 for others.
fn inside<B: Backend>(index: FloatTensor<B>, size: f32) -> FloatTensor<B> {
    let step = |x| B::float_clamp(x, 0.0f32.into(), 1.0f32.into());
    let from = step(B::float_add_scalar(index.clone(), 1.0f32.into()));
    let to = step(B::float_add_scalar(B::float_neg(index), size.into()));
    B::float_mul(from, to)
}

/// Where the image begins, and how far it reaches.
fn borders(size: f32, align_corners: bool) -> (f32, f32) {
    match align_corners {
        true => (0.0, size - 1.0),
        false => (-0.5, size),
    }
}

/// Places mirrored at the borders until they lie within.
fn reflected<B: Backend>(at: FloatTensor<B>, size: f32, align_corners: bool) -> FloatTensor<B> {
    let (begin, length) = borders(size, align_corners);
    if length == 0.0 {
        return B::float_mul_scalar(at, 0.0f32.into());
    }
    let from = B::float_abs(B::float_sub_scalar(at, begin.into()));
    let turns = B::float_floor(B::float_div_scalar(from.clone(), (2.0 * length).into()));
    let rest = B::float_sub(from, B::float_mul_scalar(turns, (2.0 * length).into()));
    let mirrored = B::float_neg(B::float_abs(B::float_sub_scalar(rest, length.into())));
    B::float_add_scalar(mirrored, (begin + length).into())
}

/// The weight of the neighbour `i` places after the floor, in cubic convolution (Keys 1981).
fn keys<B: Backend>(ratio: &FloatTensor<B>, i: i32) -> FloatTensor<B> {
    const A: f32 = -0.75;
    // The distance to the neighbour.
    let x = match i {
        -1 | 0 => B::float_sub_scalar(ratio.clone(), (i as f32).into()),
        _ => B::float_add_scalar(B::float_neg(ratio.clone()), (i as f32).into()),
    };
    let coefficients = match i {
        0 | 1 => [A + 2.0, -(A + 3.0), 0.0, 1.0],
        _ => [A, -5.0 * A, 8.0 * A, -4.0 * A],
    };
    let [first, rest @ ..] = coefficients;
    let mut sum = B::float_mul_scalar(x.clone(), first.into());
    for (power, coefficient) in rest.into_iter().enumerate() {
        sum = B::float_add_scalar(sum, coefficient.into());
        if power < 2 {
            sum = B::float_mul(sum, x.clone());
        }
    }
    sum
}

impl<B: Backend> Operator<B> for GridSample {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, grid) = (inputs.float(0)?, inputs.float(1)?);
        let ([n, channels, spatial @ ..], [m, places @ .., axes]) = (x, grid) else {
            return Err(Fault::shape("an image and a grid are needed"));
        };
        if n != m || *axes != spatial.len() || places.len() != spatial.len() {
            return Err(Fault::shape(format!(
                "the grid {grid:?} does not fit {x:?}"
            )));
        }
        if !matches!(spatial.len(), 1..=3) {
            return Err(Fault::Unsupported(format!(
                "{} spatial axes: it",
                spatial.len()
            )));
        }
        if spatial.contains(&0) || count(spatial)? > i32::MAX as usize {
            return Err(Fault::shape(format!(
                "an image of {spatial:?} has no places"
            )));
        }
        let shape = [&[*n, *channels], places].concat();
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (shape, grid_shape) = (inputs.shape(0)?, inputs.shape(1)?);
        let (kept, spatial) = shape.split_at(2);
        let [n, channels] = [kept.first(), kept.get(1)].map(|size| size.copied().unwrap_or(1));
        let rank = spatial.len();
        let places = count(&grid_shape)? / (n * rank).max(1);
        let reshape = |x, shape: [usize; 3]| B::float_reshape(x, Shape::from(shape.to_vec()));
        let grid = reshape(inputs.tensor(1)?, [n, places, rank]);
        let image = reshape(inputs.tensor(0)?, [n, channels, count(spatial)?]);
        let mut taps: Vec<Tap<B>> = Vec::new();
        for (axis, &size) in spatial.iter().enumerate() {
            let column = rank - 1 - axis;
            let slices = [
                (0..n).into(),
                (0..places).into(),
                (column..column + 1).into(),
            ];
            let along = reshape(B::float_slice(grid.clone(), &slices), [n, 1, places]);
            let at = self.places::<B>(along, size as f32);
            taps = combined::<B>(taps, self.taps::<B>(at, size as f32), size);
        }
        let sum = taps.into_iter().map(|(weight, index)| {
            let index = B::int_expand(index, Shape::from(vec![n, channels, places]));
            let picked = B::float_gather(2, image.clone(), index);
            match weight {
                Some(weight) => B::float_mul(picked, weight),
                None => picked,
            }
        });
        let out = sum.reduce(B::float_add);
        let out = out.ok_or_else(|| Fault::shape("there are no spatial axes"))?;
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(out, Shape::from(shape.to_vec()))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        paired_first(samples, inputs, &[0, 1], outputs.len())
    }
}

/// Every tap of the axes before with every one of an axis of `size`.
fn combined<B: Backend>(before: Vec<Tap<B>>, axis: Vec<Tap<B>>, size: usize) -> Vec<Tap<B>> {
    if before.is_empty() {
        return axis;
    }
    let mut all = Vec::with_capacity(before.len() * axis.len());
    for (weight, index) in before {
        let index = B::int_mul_scalar(index, (size as i64).into());
        for (other, place) in &axis {
            let weight = match (weight.clone(), other.clone()) {
                (Some(weight), Some(other)) => Some(B::float_mul(weight, other)),
                (weight, other) => weight.or(other),
            };
            all.push((weight, B::int_add(index.clone(), place.clone())));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    fn image() -> Case {
        Case::new("GridSample")
            .opset(20)
            .input(floats(&[1, 1, 2, 3], &[1.0, 2.0, 3.0, 5.0, 7.0, 11.0]))
    }

    fn grid() -> crate::ops::testing::Operand {
        floats(&[1, 1, 3, 2], &[-0.9, -0.8, 0.13, 0.37, 0.71, 1.6])
    }

    #[test]
    fn values() {
        // The middle of the image, its corner, and far outside.
        let places = || floats(&[1, 1, 3, 2], &[0.0, 0.0, -1.0, -1.0, 4.0, 0.0]);
        let case = |padding| image().input(places()).string("padding_mode", padding);
        case("zeros").gives(&[1, 1, 1, 3], &[4.5, 0.25, 0.0]);
        case("border").gives(&[1, 1, 1, 3], &[4.5, 1.0, 7.0]);
        case("reflection").gives(&[1, 1, 1, 3], &[4.5, 1.0, 4.5]);
        case("border")
            .int("align_corners", 1)
            .gives(&[1, 1, 1, 3], &[4.5, 1.0, 7.0]);
        // Half way between two, the even one is nearest.
        image()
            .string("mode", "nearest")
            .input(floats(&[1, 1, 2, 2], &[-0.3333333, -0.5, 0.6, 0.5]))
            .gives(&[1, 1, 1, 2], &[1.0, 11.0]);
        Case::new("GridSample")
            .input(counting(&[1, 1, 1, 1, 2]))
            .input(floats(&[1, 1, 1, 1, 3], &[0.0, 0.0, 0.0]))
            .gives(&[1, 1, 1, 1, 1], &[0.5]);
    }

    #[test]
    fn gradients() {
        for padding in ["zeros", "border", "reflection"] {
            for align in [0, 1] {
                let case = |mode| {
                    image()
                        .input(grid())
                        .string("mode", mode)
                        .string("padding_mode", padding)
                        .int("align_corners", align)
                };
                case("linear").gradient_agrees();
                case("bicubic").gradient_agrees();
            }
        }
        image()
            .constant(grid())
            .string("mode", "nearest")
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        image().input(counting(&[1, 1, 3, 3])).fails("does not fit");
        image().input(counting(&[2, 1, 3, 2])).fails("does not fit");
        image()
            .string("mode", "lanczos")
            .input(grid())
            .fails("mode");
        Case::new("GridSample")
            .input(counting(&[1, 1, 0, 1]))
            .input(counting(&[1, 1, 1, 2]))
            .fails("no places");
    }
}
