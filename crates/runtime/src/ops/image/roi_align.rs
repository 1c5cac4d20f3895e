//! RoiAlign: the average, or the maximum, of interpolated samples in every bin of regions that are
//! known before the run. He et al. 2017, section 3.

use burn_backend::{
    Backend, Shape, TensorData,
    tensor::{Device, FloatTensor},
};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

/// Most elements that all samples of all regions are interpolated from.
const MAX_TAPS: usize = 1 << 26;

struct RoiAlign {
    max: bool,
    output: [usize; 2],
    /// Samples along each side of a bin; 0 for as many as the bin has elements.
    sampling: usize,
    scale: f32,
    /// What is subtracted from the region's corners.
    offset: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let size = |name: &str, default: i64, least: usize| {
        let value = attributes.int_or(name, default)?;
        let size = usize::try_from(value).ok().filter(|&size| size >= least);
        size.ok_or_else(|| Fault::Unsupported(format!("{name} {value}")))
    };
    let max = match attributes.string("mode")? {
        None | Some("avg") => false,
        Some("max") => true,
        Some(other) => return Err(Fault::Unsupported(format!("mode {other:?}"))),
    };
    let coordinates = attributes.string("coordinate_transformation_mode")?;
    let offset = match coordinates {
        None if context.opset < 16 => 0.0,
        None | Some("half_pixel") => 0.5,
        Some("output_half_pixel") => 0.0,
        Some(other) => {
            let what = format!("coordinate_transformation_mode {other:?}");
            return Err(Fault::Unsupported(what));
        }
    };
    Ok(Box::new(RoiAlign {
        max,
        output: [size("output_height", 1, 1)?, size("output_width", 1, 1)?],
        sampling: size("sampling_ratio", 0, 0)?,
        scale: attributes.float_or("spatial_scale", 1.0)?,
        offset,
    }))
}

/// Samples along one axis of a region.
struct Side {
    begin: f32,
    /// The size of a bin.
    bin: f32,
    bins: usize,
    /// In each bin.
    samples: usize,
}

impl Side {
    /// Where sample `i` of all lies, as two neighbours in an axis of `size` and their weights; both
    /// are zero for a sample outside.
    fn taps(&self, i: usize, size: usize) -> [(usize, f32); 2] {
        let (bin, sample) = (i / self.samples, i % self.samples);
        let within = (sample as f32 + 0.5) * self.bin / self.samples as f32;
        let at = self.begin + bin as f32 * self.bin + within;
        if !(-1.0..=size as f32).contains(&at) {
            return [(0, 0.0); 2];
        }
        let at = at.clamp(0.0, size as f32 - 1.0);
        let low = at.floor();
        let ratio = at - low;
        let low = low as usize;
        [(low, 1.0 - ratio), ((low + 1).min(size - 1), ratio)]
    }

    fn all(&self) -> usize {
        self.bins.saturating_mul(self.samples)
    }
}

impl RoiAlign {
    /// A region of four corners along the two axes.
    fn sides(&self, region: &[f32]) -> Option<[Side; 2]> {
        let &[x1, y1, x2, y2] = region else {
            return None;
        };
        let side = |begin: f32, end: f32, bins: usize| {
            let begin = begin * self.scale - self.offset;
            let length = end * self.scale - self.offset - begin;
            // Without an offset, a region has at least one element.
            let length = if self.offset == 0.0 {
                length.max(1.0)
            } else {
                length
            };
            let bin = length / bins as f32;
            Side {
                begin,
                bin,
                bins,
                samples: match self.sampling {
                    0 => bin.ceil().max(0.0) as usize,
                    samples => samples,
                },
            }
        };
        let [height, width] = self.output;
        Some([side(y1, y2, height), side(x1, x2, width)])
    }

    /// The regions' outputs, \[channels, bins\] out of `image` \[channels, height * width\].
    fn pool<B: Backend>(
        &self,
        image: FloatTensor<B>,
        [channels, height, width]: [usize; 3],
        [rows, columns]: &[Side; 2],
        device: &Device<B>,
    ) -> FloatTensor<B> {
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        for bin in 0..rows.bins * columns.bins {
            for sample in 0..rows.samples * columns.samples {
                let row = bin / columns.bins * rows.samples + sample / columns.samples;
                let column = bin % columns.bins * columns.samples + sample % columns.samples;
                for (y, above) in rows.taps(row, height) {
                    for (x, left) in columns.taps(column, width) {
                        places.push((y * width + x) as i32);
                        weights.push(above * left);
                    }
                }
            }
        }
        let bins = rows.bins * columns.bins;
        let samples = rows.samples * columns.samples;
        let len = places.len();
        let places = B::int_from_data(TensorData::new(places, [len]), device);
        let weights = B::float_from_data(TensorData::new(weights, [1, len]), device);
        let taps = B::float_mul(B::float_select(image, 1, places), weights);
        let taps = B::float_reshape(taps, Shape::from(vec![channels, bins, 4 * samples]));
        match self.max {
            true => B::float_max_dim(taps, 2),
            false => B::float_mul_scalar(B::float_sum_dim(taps, 2), (1.0 / samples as f32).into()),
        }
    }
}

impl<B: Backend> Operator<B> for RoiAlign {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let &[n, channels, height, width] = inputs.float(0)? else {
            return Err(Fault::shape("an image of four axes is needed"));
        };
        let (regions, batch) = (inputs.floats(1)?, inputs.ints(2)?);
        if inputs.shape(1)? != [batch.len(), 4] {
            return Err(Fault::shape("there are not four corners for each region"));
        }
        if height == 0 || width == 0 || height.saturating_mul(width) > i32::MAX as usize {
            return Err(Fault::shape("the image has no elements"));
        }
        if !batch
            .iter()
            .all(|&b| usize::try_from(b).is_ok_and(|b| b < n))
        {
            return Err(Fault::shape(format!(
                "a region lies outside the batch of {n}"
            )));
        }
        let taps = regions.chunks_exact(4).filter_map(|region| {
            let [rows, columns] = self.sides(region)?;
            Some(rows.all().saturating_mul(columns.all()).saturating_mul(4))
        });
        let most = taps.fold(0usize, usize::saturating_add);
        if most.saturating_mul(channels) > MAX_TAPS {
            return Err(Fault::Unsupported(format!("{most} samples of all regions")));
        }
        let [rows, columns] = self.output;
        let shape = vec![batch.len(), channels, rows, columns];
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let &[n, channels, height, width] = shape.as_slice() else {
            return Err(Fault::shape("an image of four axes is needed"));
        };
        let images = Shape::from(vec![n, channels, height * width]);
        let images = B::float_reshape(inputs.tensor(0)?, images);
        let image = |batch: usize| {
            let slices = [
                (batch..batch + 1).into(),
                (0..channels).into(),
                (0..height * width).into(),
            ];
            let image = B::float_slice(images.clone(), &slices);
            B::float_reshape(image, Shape::from(vec![channels, height * width]))
        };
        let [rows, columns] = self.output;
        let mut pooled = Vec::new();
        let regions = inputs.floats(1)?.chunks_exact(4);
        for (region, &batch) in regions.zip(inputs.ints(2)?) {
            let Some(sides) = self.sides(region) else {
                continue;
            };
            let bins = rows * columns;
            let out = match sides.iter().any(|side| side.samples == 0) {
                true => {
                    let zeros = TensorData::new(vec![0.0f32; channels * bins], [channels, bins]);
                    B::float_from_data(zeros, inputs.device)
                }
                false => {
                    let size = [channels, height, width];
                    let image = image(usize::try_from(batch).unwrap_or(0));
                    self.pool::<B>(image, size, &sides, inputs.device)
                }
            };
            pooled.push(B::float_reshape(out, Shape::from(vec![1, channels * bins])));
        }
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let pooled = B::float_cat(pooled, 0);
        Ok(vec![B::float_reshape(pooled, Shape::from(out.to_vec()))])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn case(regions: &[f32], batch: &[i64]) -> Case {
        Case::new("RoiAlign")
            .opset(16)
            .input(counting(&[2, 1, 3, 3]))
            .constant(floats(&[batch.len(), 4], regions))
            .constant(ints(&[batch.len()], batch))
    }

    #[test]
    fn values() {
        let whole = |batch: i64| case(&[0.0, 0.0, 3.0, 3.0], &[batch]);
        whole(0).gives(&[1, 1, 1, 1], &[4.0]);
        whole(1).gives(&[1, 1, 1, 1], &[13.0]);
        let two = || {
            case(&[0.0, 0.0, 2.0, 2.0, 0.5, 0.5, 2.5, 2.5], &[0, 1])
                .int("output_width", 2)
                .int("sampling_ratio", 1)
        };
        two().gives(&[2, 1, 1, 2], &[1.5, 2.5, 12.5, 13.5]);
        two().gradient_agrees();
        two().string("mode", "max").gradient_agrees();
        two()
            .string("coordinate_transformation_mode", "output_half_pixel")
            .gives(&[2, 1, 1, 2], &[3.5, 4.5, 14.5, 15.5]);
        // Nothing to sample.
        case(&[2.0, 2.0, 2.0, 2.0], &[0]).gives(&[1, 1, 1, 1], &[0.0]);
    }

    #[test]
    fn faults() {
        case(&[0.0; 4], &[2]).fails("outside the batch");
        case(&[0.0, 0.0, 1e9, 1e9], &[0]).fails("samples of all regions");
        case(&[0.0, 0.0, f32::INFINITY, 1.0], &[0]).fails("samples of all regions");
        case(&[0.0; 4], &[0])
            .int("output_width", 0)
            .fails("output_width 0");
        Case::new("RoiAlign")
            .input(counting(&[1, 1, 2, 2]))
            .input(counting(&[1, 4]))
            .constant(ints(&[1], &[0]))
            .fails("do not depend on the model's input");
    }
}
