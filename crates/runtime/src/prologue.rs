//! From pixels to the model's input: range, mean and standard deviation in one pass before the tape
//! begins, then, on the tape, axes and shape.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_kernels::rows::encode;
use scoville_kernels::{Array, Device, affine};
use scoville_onnx::Dim;

use crate::{Error, FeatureScale, Layout, ModelSpec, ops};

/// An [`ModelSpec`] that fits the graph.
#[derive(Debug)]
pub(crate) struct Prologue {
    /// One sample in pixel space.
    sample: Vec<usize>,
    /// One sample as the model takes it.
    model: Vec<usize>,
    /// How the axes of a batch of samples are permuted.
    axes: Option<[usize; 4]>,
    /// Per channel (the sample's first axis): factor and offset.
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Of a table, in place of these.
    features: Vec<FeatureScale>,
}

impl Prologue {
    /// `model` is the graph's input without its batch axis; `None` where not even the rank is
    /// known.
    pub fn new(spec: &ModelSpec, model: Option<&[Dim]>) -> Result<Prologue, Error> {
        check_raw(spec)?;
        let axes = permutation(spec);
        let (sample, model) = shapes(spec, axes, model)?;
        if axes.is_some() && sample.len() != 3 {
            let what = format!("layout and transpose need a sample of [C, H, W], not {sample:?}");
            return Err(Error::Spec(what));
        }
        check_features(spec, &sample)?;
        let (scale, shift) = factors(spec, sample.first().copied().unwrap_or(1))?;
        Ok(Prologue {
            sample,
            model,
            axes,
            scale,
            shift,
            features: spec.features.clone(),
        })
    }

    /// One sample in pixel space.
    pub fn sample(&self) -> &[usize] {
        &self.sample
    }

    /// The model's input for a batch of `n`.
    pub fn model_shape(&self, n: usize) -> Vec<usize> {
        [&[n], self.model.as_slice()].concat()
    }

    /// What the model takes for a value of element `at` of a sample that is a row.
    pub fn element(&self, at: usize, value: f32) -> f32 {
        if let Some(f) = self.features.get(at) {
            return encode::element(value, &f.numbers());
        }
        let factors = self.scale.get(at).zip(self.shift.get(at));
        factors.map_or(f32::NAN, |(scale, shift)| value * scale + shift)
    }

    /// What pixels are scaled and shifted by, on `device`; `None` where they stay as they are.
    pub fn scaling(&self, device: &Device) -> Result<Option<Scaling>, Error> {
        if !self.features.is_empty() {
            return Scaling::of_features(&self.features, device).map(Some);
        }
        if self.scale.iter().all(|&s| s == 1.0) && self.shift.iter().all(|&s| s == 0.0) {
            return Ok(None);
        }
        let channels = self.scale.len();
        let row = |values: &[f32]| Array::from_vec(device, 1, channels, values.to_vec());
        Ok(Some(Scaling {
            features: None,
            scale: row(&self.scale)?,
            shift: row(&self.shift)?,
            none: Array::zeros(device, 1, channels)?,
        }))
    }

    /// Whether [`apply`](Self::apply) leaves the elements in their order.
    pub fn keeps_order(&self) -> bool {
        self.axes.is_none()
    }

    /// `x` is n x (elements of a sample), scaled; the result has [`model_shape`](Self::model_shape).
    pub fn apply<B: Backend>(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        let n = x.shape().first().copied().unwrap_or(0);
        let mut x = x;
        if let Some(axes) = self.axes {
            let image = [&[n], self.sample.as_slice()].concat();
            x = B::float_permute(B::float_reshape(x, Shape::from(image)), &axes);
        }
        B::float_reshape(x, Shape::from(self.model_shape(n)))
    }
}

/// A factor and an offset for each channel, on a device.
pub(crate) struct Scaling {
    /// Of a table, what the elements go forward by.
    features: Option<Array>,
    scale: Array,
    shift: Array,
    none: Array,
}

impl Scaling {
    fn of_features(features: &[FeatureScale], device: &Device) -> Result<Scaling, Error> {
        let d = features.len();
        let table = features.iter().flat_map(FeatureScale::numbers).collect();
        let slope = |f: &FeatureScale| f.unit * f.levels.max(1) as f32 / f.std;
        Ok(Scaling {
            features: Some(Array::from_vec(device, d, 5, table)?),
            scale: Array::from_vec(device, 1, d, features.iter().map(slope).collect())?,
            shift: Array::zeros(device, 1, d)?,
            none: Array::zeros(device, 1, d)?,
        })
    }

    /// Pixels, a sample a row, in the model's range.
    pub fn apply(&self, pixels: &Array) -> Result<Array, Error> {
        Ok(match &self.features {
            Some(table) => encode::encode(pixels, table)?,
            None => affine(pixels, &self.scale, &self.shift)?,
        })
    }

    /// The derivative by the pixels, from the one by what [`apply`](Self::apply) made of them.
    pub fn back(&self, gradient: &Array) -> Result<Array, Error> {
        Ok(affine(gradient, &self.scale, &self.none)?)
    }
}

/// Refuses a table's scales that are not one an element, or stand beside those of pixels.
fn check_features(spec: &ModelSpec, sample: &[usize]) -> Result<(), Error> {
    let pixels = !spec.mean.is_empty() || !spec.std.is_empty() || spec.pixel_range != (0.0, 1.0);
    if !spec.features.is_empty() && pixels {
        let what =
            "mean, std and pixel range are those of images: a table's features have their own";
        return Err(Error::Spec(what.into()));
    }
    if !spec.features.is_empty() && *sample != [spec.features.len()] {
        let what = format!(
            "{} elements of features for samples of {sample:?}",
            spec.features.len()
        );
        return Err(Error::Spec(what));
    }
    Ok(())
}

fn check_raw(spec: &ModelSpec) -> Result<(), Error> {
    let plain = ModelSpec {
        shape: spec.shape.clone(),
        output: spec.output.clone(),
        memory: spec.memory,
        plain: spec.plain,
        bpda: spec.bpda,
        layer: spec.layer.clone(),
        ..ModelSpec::raw()
    };
    if spec.raw && *spec != plain {
        let what = "raw data go to the model as they stand: mean, std, pixel range, layout and \
                    transpose cannot be given with it";
        return Err(Error::Spec(what.into()));
    }
    Ok(())
}

fn permutation(spec: &ModelSpec) -> Option<[usize; 4]> {
    match (spec.layout, spec.transpose) {
        (Layout::Nchw, false) => None,
        (Layout::Nchw, true) => Some([0, 1, 3, 2]),
        (Layout::Nhwc, false) => Some([0, 2, 3, 1]),
        (Layout::Nhwc, true) => Some([0, 3, 2, 1]),
    }
}

/// One sample in pixel space, and as the model takes it.
fn shapes(
    spec: &ModelSpec,
    axes: Option<[usize; 4]>,
    model: Option<&[Dim]>,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let fixed: Option<Vec<usize>> = model.and_then(|dims| {
        dims.iter()
            .map(|dim| {
                if let Dim::Fixed(size) = dim {
                    Some(*size)
                } else {
                    None
                }
            })
            .collect()
    });
    let (sample, model) = match (&spec.shape, fixed) {
        (Some(sample), Some(model)) => (sample.clone(), model),
        (None, Some(model)) => (unpermuted(&model, axes), model),
        (Some(sample), None) => {
            let wanted = permuted(sample, axes);
            match model {
                Some(dims) if !fits(dims, &wanted) => {
                    let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
                    let dims = dims.join(", ");
                    let what = format!("a sample of {wanted:?} does not fit the model's [{dims}]");
                    return Err(Error::Spec(what));
                }
                _ => (sample.clone(), wanted),
            }
        }
        (None, None) => {
            let what = "the graph leaves its input's shape open: give the shape of a sample";
            return Err(Error::Spec(what.into()));
        }
    };
    let elements = |shape: &[usize]| ops::count(shape).ok().filter(|&count| count > 0);
    if elements(&sample).is_none() || elements(&sample) != elements(&model) {
        let what = format!("a sample of {sample:?} does not fill the model's input of {model:?}");
        return Err(Error::Spec(what));
    }
    Ok((sample, model))
}

fn fits(dims: &[Dim], shape: &[usize]) -> bool {
    let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if fixed != size);
    dims.len() == shape.len() && dims.iter().zip(shape).all(fits)
}

fn permuted(sample: &[usize], axes: Option<[usize; 4]>) -> Vec<usize> {
    match (axes, sample) {
        (Some([_, a, b, c]), [_, _, _]) => [a, b, c]
            .iter()
            .filter_map(|&axis| sample.get(axis - 1).copied())
            .collect(),
        _ => sample.to_vec(),
    }
}

fn unpermuted(model: &[usize], axes: Option<[usize; 4]>) -> Vec<usize> {
    let (Some([_, a, b, c]), [first, second, third]) = (axes, model) else {
        return model.to_vec();
    };
    let mut sizes = [(a, *first), (b, *second), (c, *third)];
    sizes.sort_unstable();
    sizes.iter().map(|&(_, size)| size).collect()
}

/// `((lo + p (hi - lo)) - mean) / std` as `p * scale + shift`, per channel.
fn factors(spec: &ModelSpec, channels: usize) -> Result<(Vec<f32>, Vec<f32>), Error> {
    let (lo, hi) = spec.pixel_range;
    if !(lo.is_finite() && hi.is_finite() && lo < hi) {
        return Err(Error::Spec(format!(
            "pixel range {lo}..{hi} is not a range"
        )));
    }
    let per_channel = |name: &str, values: &[f32], default: f32| match values {
        [] => Ok(vec![default; channels]),
        [one] => Ok(vec![*one; channels]),
        many if many.len() == channels => Ok(many.to_vec()),
        many => Err(Error::Spec(format!(
            "{name} has {} values, and a sample {channels} channel{}: give one value, or one a channel",
            many.len(),
            if channels == 1 { "" } else { "s" }
        ))),
    };
    let mean = per_channel("mean", &spec.mean, 0.0)?;
    let std = per_channel("std", &spec.std, 1.0)?;
    if let Some(bad) = std.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(Error::Spec(format!("std {bad} is not a positive number")));
    }
    if let Some(bad) = mean.iter().find(|m| !m.is_finite()) {
        return Err(Error::Spec(format!("mean {bad} is not a number")));
    }
    // In f64, so that the two roundings are those of the results alone.
    let scale = std
        .iter()
        .map(|&s| ((f64::from(hi) - f64::from(lo)) / f64::from(s)) as f32);
    let shift = mean
        .iter()
        .zip(&std)
        .map(|(&m, &s)| ((f64::from(lo) - f64::from(m)) / f64::from(s)) as f32);
    Ok((scale.collect(), shift.collect()))
}

#[cfg(test)]
mod tests {
    use burn_backend::TensorData;
    use burn_flex::{Flex, FlexTensor};

    use super::*;

    fn fixed(shape: &[usize]) -> Vec<Dim> {
        shape.iter().map(|&size| Dim::Fixed(size)).collect()
    }

    fn image(shape: &[usize]) -> ModelSpec {
        ModelSpec {
            shape: Some(shape.to_vec()),
            ..ModelSpec::default()
        }
    }

    /// Two samples of 2 x 2 x 3, counting up, through the prologue.
    fn run(prologue: &Prologue) -> (Vec<usize>, Vec<f32>) {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let out = prologue.apply::<Flex>(FlexTensor::from_data(TensorData::new(values, [2, 12])));
        let shape = out.shape().to_vec();
        (
            shape,
            out.into_data().try_into_vec::<f32>().expect("floats"),
        )
    }

    #[test]
    fn plain_samples_are_only_reshaped() {
        let prologue = Prologue::new(&image(&[2, 2, 3]), Some(&fixed(&[12, 1]))).expect("fits");
        let (shape, values) = run(&prologue);
        assert_eq!(shape, [2, 12, 1]);
        assert_eq!(values, (0..24).map(|i| i as f32).collect::<Vec<_>>());
    }

    #[test]
    fn channels_are_normalised_in_the_models_range() {
        let spec = ModelSpec {
            mean: vec![10.0, 20.0],
            std: vec![2.0, 4.0],
            pixel_range: (0.0, 100.0),
            ..image(&[2, 2, 3])
        };
        let cpu = Device::Cpu;
        let scaling = |spec: &ModelSpec| {
            let prologue = Prologue::new(spec, Some(&fixed(&[2, 2, 3]))).expect("fits");
            prologue.scaling(&cpu).expect("there is room")
        };
        assert!(scaling(&image(&[2, 2, 3])).is_none());
        let scaling = scaling(&spec).expect("pixels are scaled");
        let pixels = (0..12).map(|i| i as f32).collect();
        let pixels = Array::from_vec(&cpu, 1, 12, pixels).expect("it fits");
        let values = |array: Result<Array, Error>| array.and_then(|a| Ok(a.to_vec()?));
        let scaled = values(scaling.apply(&pixels)).expect("it fits");
        assert_eq!(scaled.get(1), Some(&((100.0 - 10.0) / 2.0)));
        assert_eq!(scaled.get(6), Some(&((600.0 - 20.0) / 4.0)));
        let back = values(scaling.back(&pixels)).expect("it fits");
        assert_eq!((back.get(1), back.get(6)), (Some(&50.0), Some(&150.0)));
    }

    #[test]
    fn features_have_scales_of_their_own() {
        let scale = |levels, base, unit, mean, std| FeatureScale {
            levels,
            base,
            unit,
            mean,
            std,
        };
        let spec = ModelSpec {
            shape: Some(vec![2]),
            features: vec![
                scale(73, 17.0, 1.0, 0.0, 1.0),
                scale(0, -2.0, 4.0, 1.0, 2.0),
            ],
            ..ModelSpec::default()
        };
        let prologue = Prologue::new(&spec, Some(&fixed(&[2]))).expect("fits");
        let scaling = prologue.scaling(&Device::Cpu).expect("there is room");
        let scaling = scaling.expect("features are scaled");
        let row = |values: [f32; 2]| Array::from_vec(&Device::Cpu, 1, 2, values.into());
        let values = |array: Result<Array, Error>| array.and_then(|a| Ok(a.to_vec()?));
        let x = row([22.0 / 73.0, 0.75]).expect("it fits");
        assert_eq!(values(scaling.apply(&x)).expect("it fits"), [39.0, 0.0]);
        let ones = row([1.0, 1.0]).expect("it fits");
        assert_eq!(values(scaling.back(&ones)).expect("it fits"), [73.0, 2.0]);
        let wide = Prologue::new(&spec, Some(&fixed(&[1, 2])));
        assert!(wide.is_ok());
        let shape = Some(vec![1, 2]);
        let image = Prologue::new(
            &ModelSpec {
                shape,
                ..spec.clone()
            },
            Some(&fixed(&[2])),
        );
        assert!(image.is_err_and(|e| e.to_string().contains("2 elements of features")));
        let mean = vec![0.5];
        let both = Prologue::new(&ModelSpec { mean, ..spec }, Some(&fixed(&[2])));
        assert!(both.is_err_and(|e| e.to_string().contains("those of images")));
    }

    #[test]
    fn axes_follow_layout_and_transpose() {
        for (layout, transpose, model, at_1) in [
            (Layout::Nchw, true, [2, 3, 2], 3.0),
            (Layout::Nhwc, false, [2, 3, 2], 6.0),
            (Layout::Nhwc, true, [3, 2, 2], 6.0),
        ] {
            let spec = ModelSpec {
                layout,
                transpose,
                ..ModelSpec::default()
            };
            let prologue = Prologue::new(&spec, Some(&fixed(&model))).expect("fits");
            assert_eq!(prologue.sample(), [2, 2, 3], "{layout:?} {transpose}");
            let (shape, values) = run(&prologue);
            assert_eq!(shape.get(1..), Some(model.as_slice()));
            assert_eq!(values.get(1), Some(&at_1), "{layout:?} {transpose}");
        }
    }

    #[test]
    fn open_shapes_are_filled_from_the_specification() {
        let open = [Dim::Unknown, Dim::Named("w".into()), Dim::Fixed(2)];
        let nhwc = ModelSpec {
            layout: Layout::Nhwc,
            ..image(&[2, 2, 3])
        };
        let prologue = Prologue::new(&nhwc, Some(&open)).expect("fits");
        assert_eq!(prologue.model_shape(5), [5, 2, 3, 2]);
        assert_eq!(
            Prologue::new(&nhwc, None).expect("fits").model_shape(1),
            [1, 2, 3, 2]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let normalised = |mean: &[f32], std: &[f32]| ModelSpec {
            mean: mean.to_vec(),
            std: std.to_vec(),
            ..ModelSpec::default()
        };
        for (spec, model, what) in [
            (image(&[3, 4]), fixed(&[13]), "does not fill"),
            (image(&[]), fixed(&[0]), "does not fill"),
            (image(&[usize::MAX, 2]), fixed(&[4]), "does not fill"),
            (ModelSpec::default(), vec![Dim::Unknown], "give the shape"),
            (
                image(&[3, 4]),
                vec![Dim::Unknown, Dim::Fixed(5)],
                "[3, 4] does not fit the model's [?, 5]",
            ),
            (
                normalised(&[0.0; 2], &[]),
                fixed(&[3, 1, 1]),
                "mean has 2 values, and a sample 3 channels",
            ),
            (normalised(&[], &[0.0]), fixed(&[3]), "std 0"),
            (normalised(&[f32::NAN], &[]), fixed(&[3]), "mean NaN"),
            (
                ModelSpec {
                    pixel_range: (1.0, 0.0),
                    ..ModelSpec::default()
                },
                fixed(&[3]),
                "range",
            ),
            (
                ModelSpec {
                    transpose: true,
                    ..ModelSpec::default()
                },
                fixed(&[784]),
                "[C, H, W]",
            ),
            (
                ModelSpec {
                    mean: vec![0.5],
                    ..ModelSpec::raw()
                },
                fixed(&[3]),
                "raw",
            ),
        ] {
            let error = Prologue::new(&spec, Some(&model))
                .expect_err(what)
                .to_string();
            assert!(error.contains(what), "{error:?} does not say {what:?}");
        }
    }
}
