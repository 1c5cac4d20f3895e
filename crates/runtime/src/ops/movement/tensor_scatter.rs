//! TensorScatter: writes the update into the cache along `axis`, from each sample's write index on;
//! in circular mode past the end from the start again.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::kept::Kept;
use super::scatter::{Reduction, Updates};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct TensorScatter<B: Backend> {
    axis: i64,
    circular: bool,
    updates: Kept<Updates<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let circular = match node.attributes.string("mode")? {
        None | Some("linear") => false,
        Some("circular") => true,
        Some(other) => return Err(Fault::Unsupported(format!("mode {other}"))),
    };
    Ok(Box::new(TensorScatter {
        axis: node.attributes.int_or("axis", -2)?,
        circular,
        updates: Kept::new(),
    }))
}

impl<B: Backend> TensorScatter<B> {
    /// The axis, if the update fits the cache beside it.
    fn axis(&self, cache: &[usize], update: &[usize]) -> Result<usize, Fault> {
        let axis = crate::ops::axis(self.axis, cache.len())?;
        let mut sizes = cache.iter().zip(update).enumerate();
        let fits = sizes.all(|(i, (size, part))| part == size || i == axis && part < size);
        match fits && axis > 0 && cache.len() == update.len() {
            true => Ok(axis),
            false => Err(Fault::shape(format!(
                "an update {update:?} does not fit a cache {cache:?} along axis {axis}"
            ))),
        }
    }

    /// The rows of the cache, as a matrix of slices, that those of the update go to.
    fn rows(
        &self,
        cache: &[usize],
        update: &[usize],
        starts: Option<&[i64]>,
    ) -> Result<Vec<usize>, Fault> {
        let axis = self.axis(cache, update)?;
        let at = |shape: &[usize]| shape.get(axis).copied().unwrap_or(0);
        let (size, len) = (at(cache), at(update));
        let samples = cache.first().copied().unwrap_or(0);
        if starts.is_some_and(|starts| starts.len() != samples) {
            return Err(Fault::shape(format!(
                "there are not {samples} write indices, one a sample"
            )));
        }
        let lanes = count(cache.get(..axis).unwrap_or_default())?;
        let each = lanes.checked_div(samples).unwrap_or(0).max(1);
        let row = |i: usize| {
            let (lane, place) = (i / len.max(1), i % len.max(1));
            let start = starts.and_then(|starts| starts.get(lane / each));
            let place = i128::from(start.copied().unwrap_or(0)) + place as i128;
            let place = match self.circular {
                true => place.rem_euclid(size.max(1) as i128),
                false => place,
            };
            let place = usize::try_from(place).ok().filter(|&place| place < size);
            let place = place.ok_or_else(|| {
                Fault::shape("a write index leaves no room for the update in the cache")
            })?;
            Ok(lane * size + place)
        };
        (0..lanes * len).map(row).collect()
    }
}

impl<B: Backend> Operator<B> for TensorScatter<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (cache, update) = (inputs.any(0)?, inputs.any(1)?);
        if cache.dtype != update.dtype {
            return Err(Fault::shape("cache and update are of two types"));
        }
        self.rows(cache.shape(), update.shape(), inputs.optional_ints(2)?)?;
        Ok(vec![cache.with_shape(cache.shape().to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (cache, update) = (inputs.shape(0)?, inputs.shape(1)?);
        if update.contains(&0) {
            return Ok(vec![inputs.tensor(0)?]);
        }
        let axis = self.axis(&cache, &update)?;
        let rounds = self
            .updates
            .get(inputs.fact(2), &[&cache[..], &update].concat(), || {
                let rows = self.rows(&cache, &update, inputs.optional_ints(2)?)?;
                Updates::known(rows, Reduction::None, inputs.device)
            })?;
        let width = count(cache.get(axis + 1..).unwrap_or_default())?;
        let matrix = |x, len: usize| B::float_reshape(x, Shape::from([len / width, width]));
        let x = matrix(inputs.tensor(0)?, count(&cache)?);
        let update = matrix(inputs.tensor(1)?, count(&update)?);
        let out = rounds.apply(x, update, Reduction::None);
        Ok(vec![B::float_reshape(out, Shape::from(cache))])
    }

    fn moves(&self, index: usize) -> bool {
        index < 2
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    #[test]
    fn values() {
        let case = |mode: &str, starts: &[i64]| {
            Case::new("TensorScatter")
                .opset(24)
                .string("mode", mode)
                .input(counting(&[2, 3, 1]))
                .input(floats(&[2, 2, 1], &[10.0, 11.0, 12.0, 13.0]))
                .constant(ints(&[starts.len()], starts))
        };
        case("linear", &[0, 1]).gives(&[2, 3, 1], &[10.0, 11.0, 2.0, 3.0, 12.0, 13.0]);
        case("circular", &[2, 4]).gives(&[2, 3, 1], &[11.0, 1.0, 10.0, 3.0, 12.0, 13.0]);
        case("circular", &[2, 0]).gradient_agrees();
        case("linear", &[2, 0]).fails("leaves no room");
        case("linear", &[-1, 0]).fails("leaves no room");
        case("linear", &[0]).fails("not 2 write indices");
        case("square", &[0, 0]).fails("mode square");
        Case::new("TensorScatter")
            .input(counting(&[1, 2, 1]))
            .input(floats(&[1, 1, 1], &[9.0]))
            .gives(&[1, 2, 1], &[9.0, 1.0]);
        Case::new("TensorScatter")
            .input(counting(&[1, 2, 1]))
            .input(counting(&[1, 3, 1]))
            .fails("does not fit");
    }
}
