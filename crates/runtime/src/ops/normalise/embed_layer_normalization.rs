//! com.microsoft.EmbedLayerNormalization: LayerNormalization of the sum of word, position and
//! segment embeddings. Ids that a run computes are not checked: those outside a table are moved to
//! its nearest end.

use burn_backend::{
    Backend, IntDType, Shape, TensorData, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::{DType, Node};

use super::moments::{affine, not_empty, reshape, rows, standardised};
use crate::Fault;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

const IDS: usize = 0;
const SEGMENT_IDS: usize = 1;
const WORDS: usize = 2;
const POSITIONS: usize = 3;
const SEGMENTS: usize = 4;
const GAMMA: usize = 5;
const BETA: usize = 6;
const MASK: usize = 7;
const POSITION_IDS: usize = 8;

struct EmbedLayerNormalization {
    epsilon: f32,
    /// How many outputs the node names: result, length of each row's mask, sum of the embeddings.
    outputs: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(EmbedLayerNormalization {
        epsilon: node.attributes.float_or("epsilon", 1e-12)?,
        outputs: node.outputs.len().clamp(1, 3),
    }))
}

/// The width of a table of embeddings with `hidden` columns.
fn table(inputs: &Facts, index: usize, hidden: usize) -> Result<usize, Fault> {
    match inputs.float(index)? {
        &[entries, columns] if columns == hidden && entries > 0 => Ok(entries),
        other => Err(Fault::shape(format!(
            "input {index} of {other:?} is no table of {hidden} columns"
        ))),
    }
}

/// Checks ids into a table of `entries`, as far as they are known.
fn ids(inputs: &Facts, index: usize, shape: &[usize], entries: usize) -> Result<(), Fault> {
    if inputs.shape(index)? != shape {
        return Err(Fault::shape(format!("input {index} is not {shape:?}")));
    }
    let inside = |&id: &i64| usize::try_from(id).is_ok_and(|id| id < entries);
    match inputs.any(index)?.known_ints() {
        Some(ids) if !ids.iter().all(inside) => Err(Fault::shape(format!(
            "an id of input {index} lies outside its table of {entries}"
        ))),
        _ => Ok(()),
    }
}

impl<B: Backend> Operator<B> for EmbedLayerNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let &[n, length] = inputs.shape(IDS)? else {
            return Err(Fault::shape("the ids are not [batch, length]"));
        };
        let &[_, hidden] = inputs.float(WORDS)? else {
            return Err(Fault::shape("the words are not a table"));
        };
        not_empty(&[length, hidden])?;
        ids(inputs, IDS, &[n, length], table(inputs, WORDS, hidden)?)?;
        let positions = table(inputs, POSITIONS, hidden)?;
        match inputs.get(POSITION_IDS) {
            Some(given) if given.shape() == [1, length] => {
                ids(inputs, POSITION_IDS, &[1, length], positions)?;
            }
            Some(_) => ids(inputs, POSITION_IDS, &[n, length], positions)?,
            None if length > positions => {
                return Err(Fault::shape(format!(
                    "{length} words, {positions} positions"
                )));
            }
            None => {}
        }
        if inputs.get(SEGMENT_IDS).is_some() {
            let segments = table(inputs, SEGMENTS, hidden)?;
            ids(inputs, SEGMENT_IDS, &[n, length], segments)?;
        }
        if inputs.float(GAMMA)? != [hidden] || inputs.float(BETA)? != [hidden] {
            return Err(Fault::shape(format!(
                "gamma or beta is not {hidden} numbers"
            )));
        }
        if inputs
            .get(MASK)
            .is_some_and(|mask| mask.shape() != [n, length])
        {
            return Err(Fault::shape("the mask does not fit the ids"));
        }
        let whole = inputs.any(WORDS)?.with_shape(vec![n, length, hidden]);
        let lengths = match inputs.get(MASK) {
            Some(_) => Fact::new(DType::I32, vec![n]),
            None if n > 1 << 16 => return Err(Fault::Unsupported(format!("a batch of {n}"))),
            None => Fact::known(DType::I32, vec![n], Elements::Int(vec![0; n])),
        };
        let mut facts = vec![whole.clone(), lengths, whole];
        facts.truncate(self.outputs);
        Ok(facts)
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let &[n, length, hidden] = shape else {
            return Err(Fault::shape("three axes are needed"));
        };
        let mut sum = looked_up::<B>(&mut inputs, WORDS, IDS, &[n, length, hidden])?;
        let positions = match inputs.fact(POSITION_IDS).map(Fact::len) {
            Some(len) => {
                let rows = len / length;
                looked_up::<B>(
                    &mut inputs,
                    POSITIONS,
                    POSITION_IDS,
                    &[rows, length, hidden],
                )?
            }
            None => {
                let first = [(0..length).into(), (0..hidden).into()];
                let first = B::float_slice(inputs.tensor(POSITIONS)?, &first);
                reshape::<B>(first, &[1, length, hidden])
            }
        };
        sum = B::float_add(sum, positions);
        if inputs.fact(SEGMENT_IDS).is_some() {
            let segments =
                looked_up::<B>(&mut inputs, SEGMENTS, SEGMENT_IDS, &[n, length, hidden])?;
            sum = B::float_add(sum, segments);
        }
        let x = rows::<B>(sum.clone(), shape, 2)?;
        let x = reshape::<B>(standardised::<B>(x, self.epsilon).rows, shape);
        let out = affine::<B>(x, inputs.tensor(GAMMA)?, Some(inputs.tensor(BETA)?));
        let lengths = match inputs.optional_tensor(MASK)? {
            Some(mask) => reshape::<B>(B::float_sum_dim(mask, 1), &[n]),
            // Known, and not asked for.
            None => sum.clone(),
        };
        let mut all = vec![out, lengths, sum];
        all.truncate(outputs.len());
        Ok(all)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let paired = [IDS, SEGMENT_IDS, MASK, POSITION_IDS];
        paired_first(samples, inputs, &paired, outputs.len())
    }
}

/// The rows of input `table` that input `ids` names, in `shape`.
fn looked_up<B: Backend>(
    inputs: &mut Values<B>,
    table: usize,
    ids: usize,
    shape: &[usize],
) -> Result<FloatTensor<B>, Fault> {
    let entries = inputs.shape(table)?.first().copied().unwrap_or(1);
    let ids: IntTensor<B> = match inputs.fact(ids).and_then(Fact::known_ints) {
        Some(known) => {
            let known: Vec<i32> = known.iter().map(|&id| id as i32).collect();
            let len = known.len();
            B::int_from_data(TensorData::new(known, [len]), inputs.device)
        }
        None => {
            let ids = inputs.tensor(ids)?;
            let len = ids.shape().num_elements();
            let ids = B::float_reshape(ids, Shape::from(vec![len]));
            let last = entries.saturating_sub(1) as f32;
            let ids = B::float_clamp(ids, 0.0f32.into(), last.into());
            B::float_into_int(ids, IntDType::I32)
        }
    };
    let rows = B::float_select(inputs.tensor(table)?, 0, ids);
    Ok(reshape::<B>(rows, shape))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Operand, floats, ints};

    fn ids() -> Operand {
        ints(&[1, 2], &[2, 0])
    }

    fn embed(ids: Operand, segments: Option<Operand>) -> Case {
        let case = Case::new("EmbedLayerNormalization")
            .domain("com.microsoft")
            .outputs(3)
            .float("epsilon", 0.75)
            .input(ids);
        match segments {
            Some(segments) => case.input(segments),
            None => case.absent(),
        }
        .input(floats(&[3, 2], &[2.0, 3.0, 9.0, 9.0, 0.0, 1.0]))
        .input(floats(&[2, 2], &[1.0, 1.0, 1.0, 2.0]))
        .constant(floats(&[1, 2], &[1.0, 1.0]))
        .constant(floats(&[2], &[1.0, 10.0]))
        .constant(floats(&[2], &[0.0, 5.0]))
    }

    #[test]
    fn samples() {
        let table = || floats(&[3, 2], &[2.0, 3.0, 9.0, 9.5, 0.0, 1.0]);
        let case = |positions: &[i64]| {
            Case::new("EmbedLayerNormalization")
                .domain("com.microsoft")
                .outputs(3)
                .input(ints(&[2, 2], &[1, 0, 0, 0]))
                .absent()
                .constant(table())
                .constant(table())
                .absent()
                .constant(floats(&[2], &[1.0, 10.0]))
                .constant(floats(&[2], &[0.0, 5.0]))
                .input(ints(&[2, 2], &[1, 1, 1, 0]))
                .constant(ints(&[positions.len() / 2, 2], positions))
        };
        case(&[0, 1]).keeps_samples(0, 2);
        case(&[0, 1, 1, 0]).mixes_samples(0, 2);
    }

    #[test]
    fn values() {
        let root = 1.75f32.sqrt();
        let out = [-0.5, 10.0, -1.0 / root, 5.0 + 10.0 / root];
        embed(ids(), None).gives(&[1, 2, 2], &out);
        embed(ids(), None).output_gives(1, &[1], &[0.0]);
        embed(ids(), None).output_gives(2, &[1, 2, 2], &[1.0, 2.0, 3.0, 5.0]);
        let segments = || embed(ids(), Some(ints(&[1, 2], &[0, 0])));
        segments().output_gives(2, &[1, 2, 2], &[2.0, 3.0, 4.0, 6.0]);
        segments().gradient_agrees();
        embed(ids(), None)
            .input(ints(&[1, 2], &[1, 0]))
            .output_gives(1, &[1], &[1.0]);
        embed(ids(), None)
            .absent()
            .input(ints(&[1, 2], &[1, 0]))
            .output_gives(2, &[1, 2, 2], &[1.0, 3.0, 3.0, 4.0]);
    }

    #[test]
    fn faults() {
        embed(ints(&[1, 3], &[0, 1, 2]), None).fails("3 words, 2 positions");
        Case::new("EmbedLayerNormalization")
            .domain("com.microsoft")
            .constant(ints(&[1, 1], &[3]))
            .absent()
            .input(floats(&[2, 1], &[0.0; 2]))
            .fails("an id of input 0 lies outside its table of 2");
        embed(ids(), Some(ints(&[1, 1], &[0]))).fails("input 1 is not [1, 2]");
    }
}
