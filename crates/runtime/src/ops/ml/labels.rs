//! The class labels of a classifier: integers or text, and the label of each row.

use burn_backend::{
    Backend, FloatDType, IntDType, Shape, TensorData, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::value::{Fact, MAX_EXACT};

/// The class labels of a node. Text cannot be computed in a run: such a label is the number of its
/// class there, of which nothing is known but that it is text.
pub(super) enum Labels {
    Ints(Vec<i64>),
    Texts(usize),
}

impl Labels {
    /// Reads the attribute `texts`, or else `ints`.
    pub fn parse(node: &Node, ints: &str, texts: &str) -> Result<Labels, Fault> {
        match node.attributes.strings(texts)? {
            Some(labels) if !labels.is_empty() => return Ok(Labels::Texts(labels.len())),
            _ => {}
        }
        let labels = node.attributes.ints(ints)?.unwrap_or_default();
        if labels
            .iter()
            .any(|label| label.unsigned_abs() > MAX_EXACT as u64)
        {
            return Err(Fault::Unsupported("a class label beyond 2^24".into()));
        }
        Ok(Labels::Ints(labels.to_vec()))
    }

    pub fn len(&self) -> usize {
        match self {
            Labels::Ints(labels) => labels.len(),
            Labels::Texts(len) => *len,
        }
    }

    /// The labels of the classes 0 and 1 where one score decides: 0 and 1 unless there are two.
    pub fn two(self) -> Labels {
        match self {
            Labels::Ints(labels) if labels.len() != 2 => Labels::Ints(vec![0, 1]),
            labels => labels,
        }
    }

    /// The labels of `rows` rows.
    pub fn fact(&self, rows: usize) -> Fact {
        let dtype = match self {
            Labels::Ints(_) => DType::I64,
            Labels::Texts(_) => DType::String,
        };
        Fact::new(dtype, vec![rows])
    }

    /// The label of each row out of the number of its class, \[rows, 1\].
    pub fn of<B: Backend>(&self, class: IntTensor<B>, device: &B::Device) -> FloatTensor<B> {
        let rows = class.shape().num_elements();
        let class = B::int_reshape(class, Shape::from([rows]));
        match self {
            Labels::Ints(labels) => {
                let labels: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
                let len = labels.len();
                let labels = B::float_from_data(TensorData::new(labels, [len]), device);
                B::float_select(labels, 0, class)
            }
            Labels::Texts(_) => B::int_into_float(class, FloatDType::F32),
        }
    }

    /// The label of the largest score of each row, the first where several are.
    pub fn top<B: Backend>(&self, scores: FloatTensor<B>, device: &B::Device) -> FloatTensor<B> {
        self.of::<B>(B::float_argmax(scores, 1, IntDType::I32), device)
    }

    /// The label of the second class where `score`, \[rows, 1\], exceeds `bound`, else of the first.
    pub fn above<B: Backend>(
        &self,
        score: FloatTensor<B>,
        bound: f32,
        device: &B::Device,
    ) -> FloatTensor<B> {
        // Of a score and its bound the larger one wins; the first where both are the same.
        let bound = B::float_full(score.shape(), bound.into(), device, FloatDType::F32);
        self.top::<B>(B::float_cat(vec![bound, score], 1), device)
    }
}
