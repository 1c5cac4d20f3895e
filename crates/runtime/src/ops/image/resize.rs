//! Resize: every resized axis is interpolated by itself, as one small constant matrix. Opset 10 has
//! scales alone; 11 sizes, coordinates and cubic; 18 axes, antialiasing and the aspect ratio.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::along::along;
use super::lengths::{Policy, scaled, sized};
use super::taps::{Coordinate, Filter, Method, Resized, Rounding, taps};
use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

/// A matrix of more elements than this is refused.
const MAX_MATRIX: usize = 1 << 26;
/// A longer axis is not resized.
const MAX_AXIS: usize = 1 << 22;

/// Where the scales are found.
#[derive(Clone, Copy)]
enum Source {
    /// Input 1 (opset 10).
    Scales,
    /// Inputs 1 to 3: region, scales, sizes.
    All,
}

pub(super) struct Resize {
    pub method: Method,
    pub axes: Option<Vec<i64>>,
    policy: Policy,
    outside: f32,
    source: Source,
    /// Scales that are attributes (Upsample up to opset 8).
    pub scales: Option<Vec<f32>>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    if context.opset < 11 {
        return Ok(Box::new(Resize::early(node)?));
    }
    let attributes = &node.attributes;
    let string = |name| attributes.string(name).map(Option::unwrap_or_default);
    let unsupported = |name: &str, value: &str| Fault::Unsupported(format!("{name} {value:?}"));
    let coordinate = match string("coordinate_transformation_mode")? {
        "" | "half_pixel" => Coordinate::HalfPixel,
        "half_pixel_symmetric" => Coordinate::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinate::PytorchHalfPixel,
        "align_corners" => Coordinate::AlignCorners,
        "asymmetric" => Coordinate::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinate::HalfPixelForNearest,
        "tf_crop_and_resize" => Coordinate::Crop,
        other => return Err(unsupported("coordinate_transformation_mode", other)),
    };
    let rounding = match string("nearest_mode")? {
        "" | "round_prefer_floor" => Rounding::PreferFloor,
        "round_prefer_ceil" => Rounding::PreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return Err(unsupported("nearest_mode", other)),
    };
    let filter = match string("mode")? {
        "" | "nearest" => Filter::Nearest(rounding),
        "linear" => Filter::Linear,
        "cubic" => Filter::Cubic(attributes.float_or("cubic_coeff_a", -0.75)?.into()),
        other => return Err(unsupported("mode", other)),
    };
    let policy = match string("keep_aspect_ratio_policy")? {
        "" | "stretch" => Policy::Stretch,
        "not_larger" => Policy::NotLarger,
        "not_smaller" => Policy::NotSmaller,
        other => return Err(unsupported("keep_aspect_ratio_policy", other)),
    };
    Ok(Box::new(Resize {
        method: Method {
            coordinate,
            filter,
            antialias: attributes.int_or("antialias", 0)? != 0,
            exclude_outside: attributes.int_or("exclude_outside", 0)? != 0,
        },
        axes: attributes.ints("axes")?.map(<[i64]>::to_vec),
        policy,
        outside: attributes.float_or("extrapolation_value", 0.0)?,
        source: Source::All,
        scales: None,
    }))
}

impl Resize {
    /// The Resize of opset 10, and Upsample.
    pub fn early(node: &Node) -> Result<Resize, Fault> {
        let filter = match node.attributes.string("mode")? {
            None | Some("nearest") => Filter::Nearest(Rounding::Simple),
            Some("linear" | "bilinear") => Filter::Linear,
            Some(other) => return Err(Fault::Unsupported(format!("mode {other:?}"))),
        };
        Ok(Resize {
            method: Method {
                coordinate: Coordinate::Asymmetric,
                filter,
                antialias: false,
                exclude_outside: false,
            },
            axes: None,
            policy: Policy::Stretch,
            outside: 0.0,
            source: Source::Scales,
            scales: None,
        })
    }

    /// The resized axes and what becomes of them.
    fn resized(
        &self,
        shape: &[usize],
        region: Option<&[f32]>,
        scales: Option<&[f32]>,
        sizes: Option<&[i64]>,
    ) -> Result<Vec<(usize, Resized)>, Fault> {
        let axes = match &self.axes {
            Some(axes) => {
                crate::ops::axes(axes, shape.len())?;
                let axes = axes.iter().map(|&axis| crate::ops::axis(axis, shape.len()));
                axes.collect::<Result<Vec<_>, _>>()?
            }
            None => (0..shape.len()).collect(),
        };
        let lengths = |axis: &usize| shape.get(*axis).copied().unwrap_or(0);
        let inputs: Vec<usize> = axes.iter().map(lengths).collect();
        let outputs = match (scales, sizes) {
            (Some(scales), None) if scales.len() == axes.len() => scaled(&inputs, scales)?,
            (None, Some(sizes)) if sizes.len() == axes.len() => {
                sized(&self.policy, &inputs, sizes)?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Fault::shape("one of scales and sizes is needed"));
            }
            _ => {
                let what = format!("scales or sizes do not fit {} axes", axes.len());
                return Err(Fault::shape(what));
            }
        };
        let crop = self.method.coordinate == Coordinate::Crop;
        let region = region.filter(|_| crop);
        if crop && region.is_none_or(|region| region.len() != 2 * axes.len()) {
            return Err(Fault::shape("roi does not have two numbers for each axis"));
        }
        let end = |i: usize| region.and_then(|region| region.get(i).copied());
        let each = axes.iter().zip(inputs).zip(outputs).enumerate();
        let resized = each.map(|(i, ((&axis, input), (output, scale)))| {
            if input == 0 && output > 0 {
                return Err(Fault::shape(format!("axis {axis} is empty")));
            }
            let region = (end(i).unwrap_or(0.0), end(i + axes.len()).unwrap_or(1.0));
            let resized = Resized {
                input,
                output,
                scale,
                region,
            };
            Ok((axis, resized))
        });
        let mut resized = resized.collect::<Result<Vec<_>, Fault>>()?;
        resized.retain(|(_, resized)| !resized.stays(&self.method));
        Ok(resized)
    }

    fn find(&self, inputs: &Facts) -> Result<Vec<(usize, Resized)>, Fault> {
        let shape = inputs.shape(0)?;
        if let Some(scales) = &self.scales {
            return self.resized(shape, None, Some(scales), None);
        }
        match self.source {
            Source::Scales => self.resized(shape, None, Some(inputs.floats(1)?), None),
            Source::All => {
                let region = match self.method.coordinate {
                    Coordinate::Crop => inputs.optional_floats(1)?,
                    _ => None,
                };
                let scales = inputs.optional_floats(2)?.filter(|s| !s.is_empty());
                let sizes = inputs.optional_ints(3)?.filter(|s| !s.is_empty());
                self.resized(shape, region, scales, sizes)
            }
        }
    }
}

impl<B: Backend> Operator<B> for Resize {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let nearest = matches!(self.method.filter, Filter::Nearest(_));
        let x = inputs.any(0)?;
        if !nearest && !x.is_float() {
            return Err(Fault::Unsupported(format!(
                "interpolation of {} (floats are needed, or mode nearest)",
                x.dtype
            )));
        }
        let mut shape = x.shape().to_vec();
        for (axis, resized) in self.find(inputs)? {
            let matrix = resized.input.saturating_mul(resized.output);
            let picked = nearest && self.method.coordinate != Coordinate::Crop;
            let longest = resized.input.max(resized.output);
            if longest > MAX_AXIS || matrix > MAX_MATRIX && !picked {
                return Err(Fault::Unsupported(format!(
                    "an axis resized from {} to {}",
                    resized.input, resized.output
                )));
            }
            if let Some(size) = shape.get_mut(axis) {
                *size = resized.output;
            }
        }
        Ok(vec![x.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let facts = Facts((0..inputs.len()).map(|i| inputs.fact(i).cloned()).collect());
        let mut shape = inputs.shape(0)?;
        let mut x = inputs.tensor(0)?;
        for (axis, resized) in self.find(&facts)? {
            let taps = taps(&self.method, &resized);
            x = along::<B>(x, &mut shape, axis, &taps, self.outside, inputs.device)?;
        }
        Ok(vec![x])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0 && self.outside == 0.0 && matches!(self.method.filter, Filter::Nearest(_))
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let resized = self.find(inputs).ok()?;
        let axes: Vec<usize> = resized.into_iter().map(|(axis, _)| axis).collect();
        beside(samples, &axes, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn image() -> Case {
        Case::new("Resize").input(counting(&[1, 1, 2, 2]))
    }

    /// From opset 11 on, with the scales as input 2.
    fn by(scales: &[f32]) -> Case {
        image().absent().constant(floats(&[scales.len()], scales))
    }

    fn to(case: Case, sizes: &[i64]) -> Case {
        case.absent().absent().constant(ints(&[sizes.len()], sizes))
    }

    #[test]
    fn nearest() {
        let doubled = [
            0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 2.0, 2.0, 3.0, 3.0,
        ];
        by(&[1.0, 1.0, 2.0, 2.0]).gives(&[1, 1, 4, 4], &doubled);
        by(&[1.0, 1.0, 2.0, 2.0]).gradient_agrees();
        image()
            .opset(10)
            .constant(floats(&[4], &[1.0, 1.0, 2.0, 2.0]))
            .gives(&[1, 1, 4, 4], &doubled);
        let three = || to(image(), &[1, 1, 3, 1]);
        three().gives(&[1, 1, 3, 1], &[0.0, 0.0, 2.0]);
        three()
            .string("nearest_mode", "ceil")
            .gives(&[1, 1, 3, 1], &[1.0, 3.0, 3.0]);
        three().gradient_agrees();
        to(
            Case::new("Resize").constant(ints(&[2], &[1 << 40, 7])),
            &[4],
        )
        .gives_ints(&[4], &[1 << 40, 1 << 40, 7, 7]);
    }

    #[test]
    fn linear() {
        let linear = |scales: &[f32]| by(scales).string("mode", "linear");
        linear(&[1.0, 1.0, 1.0, 2.0])
            .gives(&[1, 1, 2, 4], &[0.0, 0.25, 0.75, 1.0, 2.0, 2.25, 2.75, 3.0]);
        linear(&[1.0, 1.0, 1.5, 1.0])
            .string("coordinate_transformation_mode", "align_corners")
            .gives(&[1, 1, 3, 2], &[0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
        linear(&[1.0, 1.0, 2.0, 1.5]).gradient_agrees();
        image()
            .opset(10)
            .string("mode", "linear")
            .constant(floats(&[4], &[1.0, 1.0, 1.0, 2.0]))
            .gives(&[1, 1, 2, 4], &[0.0, 0.5, 1.0, 1.0, 2.0, 2.5, 3.0, 3.0]);
        let smooth = to(Case::new("Resize").input(counting(&[1, 4])), &[1, 2])
            .opset(18)
            .string("mode", "linear")
            .int("antialias", 1);
        smooth.gives(&[1, 2], &[0.625, 2.375]);
        smooth.gradient_agrees();
    }

    #[test]
    fn cubic() {
        let cubic = || by(&[1.0, 1.0, 2.0, 2.0]).string("mode", "cubic");
        cubic().gradient_agrees();
        cubic().int("exclude_outside", 1).gradient_agrees();
        let row = by(&[1.0, 1.0, 1.0, 2.0])
            .string("mode", "cubic")
            .string("coordinate_transformation_mode", "asymmetric");
        row.gives(
            &[1, 1, 2, 4],
            &[0.0, 0.5, 1.0, 1.09375, 2.0, 2.5, 3.0, 3.09375],
        );
    }

    #[test]
    fn axes_and_aspect_ratio() {
        let case = |policy| {
            to(Case::new("Resize").input(counting(&[1, 2, 4])), &[4, 4])
                .opset(18)
                .ints("axes", &[-1, 1])
                .string("keep_aspect_ratio_policy", policy)
        };
        case("not_larger").gives(&[1, 2, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        case("not_smaller").gradient_agrees();
        case("stretch").gives(
            &[1, 4, 4],
            &[
                0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 7.0,
            ],
        );
        case("shrink").fails("keep_aspect_ratio_policy");
    }

    #[test]
    fn crops() {
        let case = |region: &[f32]| {
            Case::new("Resize")
                .string("coordinate_transformation_mode", "tf_crop_and_resize")
                .string("mode", "linear")
                .float("extrapolation_value", 9.0)
                .input(counting(&[3]))
                .constant(floats(&[region.len()], region))
                .absent()
                .constant(ints(&[1], &[3]))
        };
        case(&[-0.5, 0.5]).gives(&[3], &[9.0, 0.0, 1.0]);
        case(&[0.25, 0.75]).gives(&[3], &[0.5, 1.0, 1.5]);
        case(&[0.25, 0.75]).gradient_agrees();
        case(&[0.5]).fails("roi does not have two numbers");
    }

    #[test]
    fn faults() {
        by(&[1.0]).fails("do not fit 4 axes");
        by(&[1.0, 1.0, -1.0, 1.0]).fails("no positive numbers");
        by(&[1.0, 1.0, f32::INFINITY, 1.0]).fails("no positive numbers");
        image().fails("one of scales and sizes");
        to(image(), &[1, 1, -1, 1]).fails("negative");
        to(image(), &[1, 1, 1 << 30, 1])
            .string("mode", "linear")
            .fails("from 2 to 1073741824");
        to(image(), &[1, 1, 1 << 23, 1]).fails("from 2 to 8388608");
        by(&[1.0, 1.0, 2.0, 2.0])
            .string("mode", "lanczos")
            .fails("mode");
        to(Case::new("Resize").input(counting(&[0])), &[2]).fails("axis 0 is empty");
        to(Case::new("Resize").input(ints(&[2], &[1, 2])), &[4])
            .string("mode", "linear")
            .fails("floats are needed");
    }
}
