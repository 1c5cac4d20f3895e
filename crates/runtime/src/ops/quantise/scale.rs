//! What the quantising operators share: how scales and zero points lie over a tensor, and how a result
//! is cut to a narrow type.

use burn_backend::{Backend, Shape, TensorData, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::broadcast::same_rank;
use crate::ops::elementwise::mask::is_above;
use crate::ops::samples::{Samples, beside};
use crate::ops::stand_in::moving;
use crate::value::{Fact, Facts, Values, on_device};

/// The attributes `axis` and `block_size`.
pub(super) struct Layout {
    axis: i64,
    block: usize,
}

/// Where each element of a tensor finds its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// One for all.
    Tensor,
    /// One for each index of an axis.
    Axis(usize),
    /// One for each run of so many elements along an axis.
    Blocks(usize, usize),
}

impl Layout {
    pub fn parse(node: &Node) -> Result<Layout, Fault> {
        let block = node.attributes.int_or("block_size", 0)?;
        let block = usize::try_from(block)
            .map_err(|_| Fault::Unsupported(format!("block_size {block}")))?;
        Ok(Layout {
            axis: node.attributes.int_or("axis", 1)?,
            block,
        })
    }

    /// How scales of shape `scale` lie over a tensor of shape `x`.
    pub fn over(&self, x: &[usize], scale: &[usize]) -> Result<Spread, Fault> {
        if self.block == 0 && scale.iter().all(|&size| size == 1) && scale.len() <= 1 {
            return Ok(Spread::Tensor);
        }
        let axis = crate::ops::axis(self.axis, x.len())?;
        let size = x.get(axis).copied().unwrap_or(0);
        if self.block == 0 {
            return match scale {
                [n] if *n == size => Ok(Spread::Axis(axis)),
                _ => Err(Fault::shape(format!(
                    "scales of {scale:?} do not fit the {size} entries of axis {axis}"
                ))),
            };
        }
        let mut blocks = x.to_vec();
        if let Some(place) = blocks.get_mut(axis) {
            *place = size.div_ceil(self.block);
        }
        match blocks == scale {
            true => Ok(Spread::Blocks(axis, self.block)),
            false => Err(Fault::shape(format!(
                "scales of {scale:?} do not fit blocks of {} along axis {axis} of {x:?}",
                self.block
            ))),
        }
    }

    /// The scales of input 1 and the zero points of input 2, ready to broadcast to input 0.
    pub fn spread<B: Backend>(
        &self,
        inputs: &mut Values<B>,
    ) -> Result<(FloatTensor<B>, Option<FloatTensor<B>>), Fault> {
        let (x, device) = (inputs.shape(0)?, inputs.device);
        let spread = self.over(&x, &inputs.shape(1)?)?;
        let scale = spread.over::<B>(inputs.tensor(1)?, &x, device);
        let zero = inputs.optional_tensor(2)?;
        Ok((scale, zero.map(|zero| spread.over::<B>(zero, &x, device))))
    }

    /// Samples stay apart unless each has scales of its own.
    pub fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let [x, scale] = [inputs.get(0)?.shape(), inputs.get(1)?.shape()];
        let axes = match self.over(x, scale).ok()? {
            Spread::Tensor => vec![],
            Spread::Axis(axis) => vec![axis],
            Spread::Blocks(..) => return None,
        };
        beside(samples, &axes, outputs.len())
    }
}

impl Spread {
    /// `scale` in a shape that broadcasts to `x`.
    fn over<B: Backend>(
        self,
        scale: FloatTensor<B>,
        x: &[usize],
        device: &B::Device,
    ) -> FloatTensor<B> {
        // On a device a scalar has an axis.
        let mut shape = vec![1; x.len().max(1)];
        match self {
            Spread::Tensor => {}
            Spread::Axis(axis) => {
                if let (Some(place), Some(&size)) = (shape.get_mut(axis), x.get(axis)) {
                    *place = size;
                }
            }
            Spread::Blocks(axis, block) => {
                let size = x.get(axis).copied().unwrap_or(0);
                let picks: Vec<i32> = (0..size).map(|i| (i / block) as i32).collect();
                let picks = B::int_from_data(TensorData::new(picks, [size]), device);
                return B::float_select(scale, axis, picks);
            }
        }
        B::float_reshape(scale, Shape::from(shape))
    }

    /// The position among the scales of shape `scale` for element `index` of a tensor of shape `x`.
    pub fn position(self, index: usize, x: &[usize], scale: &[usize]) -> usize {
        let (axis, block) = match self {
            Spread::Tensor => return 0,
            Spread::Axis(axis) => (axis, None),
            Spread::Blocks(axis, block) => (axis, Some(block)),
        };
        let (_, rest) = x.split_at(axis.min(x.len()));
        let (size, inner) = match rest.split_first() {
            Some((&size, after)) => (size.max(1), after.iter().product::<usize>().max(1)),
            None => (1, 1),
        };
        let along = index / inner % size;
        match block {
            None => along,
            Some(block) => {
                let blocks = scale.get(axis).copied().unwrap_or(1);
                (index / inner / size * blocks + along / block) * inner + index % inner
            }
        }
    }
}

/// `x`, a scale or zero points, in a shape that broadcasts; one number for all has the shape `[]`.
pub(super) fn shaped<B: Backend>(x: FloatTensor<B>, shape: &[usize]) -> FloatTensor<B> {
    B::float_reshape(x, Shape::from(on_device(shape)))
}

/// The least and the greatest value of an integer type that tensors are quantised to.
pub(super) fn range(dtype: DType) -> Option<(f32, f32)> {
    match dtype {
        DType::U8 => Some((0.0, 255.0)),
        DType::I8 => Some((-128.0, 127.0)),
        DType::U16 => Some((0.0, 65_535.0)),
        DType::I16 => Some((-32_768.0, 32_767.0)),
        DType::U4 => Some((0.0, 15.0)),
        DType::I4 => Some((-8.0, 7.0)),
        _ => None,
    }
}

/// Whether zero points of one shape belong to scales of the other: one of each may be a scalar or a
/// list.
pub(super) fn fit(zero: &[usize], scale: &[usize]) -> bool {
    let one = |shape: &[usize]| shape.iter().all(|&size| size == 1);
    zero == scale || one(zero) && one(scale)
}

/// The shape of quantised input `index`.
pub(super) fn quantised(inputs: &Facts, index: usize) -> Result<&[usize], Fault> {
    let fact = inputs.any(index)?;
    match range(fact.dtype) {
        Some(_) => Ok(fact.shape()),
        None => Err(Fault::Input {
            index,
            what: "does not hold integers of 4, 8 or 16 bits, which are needed",
        }),
    }
}

/// Refuses an input `index` of other than one element.
pub(super) fn one_element(inputs: &Facts, index: usize) -> Result<(), Fault> {
    match inputs.get(index) {
        Some(fact) if fact.len() != 1 => Err(Fault::Input {
            index,
            what: "must be one number",
        }),
        _ => Ok(()),
    }
}

/// The type of the result: that of zero point `index`, or the one of another input.
pub(super) fn result_type(inputs: &Facts, index: usize, otherwise: DType) -> Result<DType, Fault> {
    let dtype = inputs.get(index).map_or(otherwise, |fact| fact.dtype);
    match range(dtype) {
        Some(_) => Ok(dtype),
        None => Err(Fault::Unsupported(format!("quantisation to {dtype}"))),
    }
}

/// Rounds whole steps, halves to even, moves them by the zero point and cuts them to `dtype`; NaN becomes
/// the least value, as in onnxruntime. If it `moves`, it does so as the steps do, where they are not cut.
pub(super) fn saturated<B: Backend>(
    steps: FloatTensor<B>,
    zero: Option<FloatTensor<B>>,
    dtype: DType,
    moves: bool,
) -> FloatTensor<B> {
    let (low, high) = range(dtype).unwrap_or((0.0, 255.0));
    let near = moves.then(|| {
        // Half a step beyond the bounds is still rounded to them.
        let (low, high) = (low - 0.5, high + 0.5);
        let near = unshifted::<B>(steps.clone(), zero.clone());
        B::float_clamp(near, low.into(), high.into())
    });
    let y = unshifted::<B>(B::float_round(B::float_detach(steps)), zero);
    let low_or_nan = B::bool_not(is_above::<B>(y.clone(), low));
    let y = B::float_mask_fill(y, low_or_nan, low.into());
    moving::<B>(B::float_clamp_max(y, high.into()), near)
}

/// Steps counted from the zero point, where there is one.
fn unshifted<B: Backend>(steps: FloatTensor<B>, zero: Option<FloatTensor<B>>) -> FloatTensor<B> {
    match zero {
        Some(zero) => {
            let (steps, zero) = same_rank::<B>(steps, zero);
            B::float_add(steps, zero)
        }
        None => steps,
    }
}

/// Input `index` moved by its zero point, where it has one. Both have the ranks to broadcast.
pub(super) fn shifted<B: Backend>(
    x: FloatTensor<B>,
    zero: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    match zero {
        Some(zero) => {
            let (x, zero) = same_rank::<B>(x, zero);
            B::float_sub(x, zero)
        }
        None => x,
    }
}

/// Integer input `index`, rounded to float32 where it is not exact in it: the biases of quantised
/// operators, which onnxruntime rounds so too.
pub(super) fn rounded_ints<B: Backend>(
    inputs: &mut Values<B>,
    index: usize,
) -> Result<Option<FloatTensor<B>>, Fault> {
    let Some(fact) = inputs.fact(index) else {
        return Ok(None);
    };
    match fact.known_ints() {
        Some(values) => {
            let values = values.iter().map(|&value| value as f32).collect();
            let shape = fact.shape().to_vec();
            Ok(Some(inputs.upload(&shape, values)))
        }
        None => inputs.tensor(index).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let layout = |axis, block| Layout { axis, block };
        let x = [2, 3, 5];
        assert_eq!(layout(1, 0).over(&x, &[]).ok(), Some(Spread::Tensor));
        assert_eq!(layout(9, 0).over(&x, &[1]).ok(), Some(Spread::Tensor));
        assert_eq!(layout(-2, 0).over(&x, &[3]).ok(), Some(Spread::Axis(1)));
        let blocks = layout(2, 2).over(&x, &[2, 3, 3]);
        assert_eq!(blocks.ok(), Some(Spread::Blocks(2, 2)));
        assert!(layout(1, 0).over(&x, &[2]).is_err());
        assert!(layout(3, 0).over(&x, &[3]).is_err());
        assert!(layout(2, 2).over(&x, &[2, 3, 2]).is_err());
    }

    #[test]
    fn positions() {
        let x = [2, 3, 5];
        let at = |spread: Spread, index, scale: &[usize]| spread.position(index, &x, scale);
        assert_eq!(at(Spread::Tensor, 29, &[]), 0);
        assert_eq!(at(Spread::Axis(1), 29, &[3]), 2);
        assert_eq!(at(Spread::Axis(0), 14, &[2]), 0);
        assert_eq!(at(Spread::Blocks(2, 2), 29, &[2, 3, 3]), 17);
        assert_eq!(at(Spread::Blocks(1, 2), 15, &[2, 2, 5]), 10);
        assert_eq!(at(Spread::Blocks(1, 2), 27, &[2, 2, 5]), 17);
    }
}
