//! com.microsoft.Attention: queries, keys and values are projected from one input, then
//! `softmax(scale Q K^T + masks) V` of several heads.
//!
//! The input is \[batch, length, columns\], the weights \[columns, hidden + hidden + v_hidden\]. The
//! past, \[2, batch, heads, past, size\], comes before the new keys and values.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fused::Fused;
use super::product::{Sizes, after_past, attend, merge_heads, split_heads};
use crate::Fault;
use crate::ops::part::{part, parts};
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

const BIAS: usize = 2;
const MASKS: [usize; 2] = [3, 5];
const PAST: usize = 4;

struct ProjectedAttention {
    fused: Fused,
    /// Columns of queries, keys and values.
    hidden: Option<Vec<i64>>,
    outputs: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    if attributes.int_or("do_rotary", 0)? != 0 {
        return Err(Fault::Unsupported("do_rotary".into()));
    }
    if attributes.int_or("past_present_share_buffer", 0)? != 0 {
        return Err(Fault::Unsupported("past_present_share_buffer".into()));
    }
    Ok(Box::new(ProjectedAttention {
        fused: Fused::parse(node)?,
        hidden: attributes.ints("qkv_hidden_sizes")?.map(<[_]>::to_vec),
        outputs: node.outputs.len(),
    }))
}

impl ProjectedAttention {
    /// Columns of the queries, as of the keys, and of the values.
    fn hidden(&self, columns: usize) -> Result<[usize; 2], Fault> {
        let unfit = || {
            Fault::shape(format!(
                "{columns} columns of weights do not make queries, keys and values"
            ))
        };
        let sizes = match self.hidden.as_deref() {
            None if columns.is_multiple_of(3) => [columns / 3; 3],
            None => return Err(unfit()),
            Some(sizes) => {
                let sizes = sizes.iter().map(|&size| usize::try_from(size));
                let sizes: Vec<usize> = sizes.collect::<Result<_, _>>().map_err(|_| unfit())?;
                sizes.try_into().map_err(|_| unfit())?
            }
        };
        let sum = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        match sizes {
            [q, k, v] if q == k && sum == Some(columns) => Ok([q, v]),
            _ => Err(unfit()),
        }
    }

    fn sizes(&self, x: &[usize], w: &[usize], past: Option<&[usize]>) -> Result<Sizes, Fault> {
        let (&[batch, length, columns], &[rows, hidden]) = (x, w) else {
            return Err(Fault::shape("the input must have 3 axes, the weights 2"));
        };
        if columns != rows || columns == 0 {
            return Err(Fault::shape(format!(
                "{columns} columns do not fit {rows} rows of weights"
            )));
        }
        let [hidden, v_hidden] = self.hidden(hidden)?;
        let (heads, size) = (self.fused.heads, self.fused.size(hidden)?);
        let v_size = self.fused.size(v_hidden)?;
        let past = match past {
            None => 0,
            Some(&[2, b, h, past, s]) if [b, h, s] == [batch, heads, size] && s == v_size => past,
            Some(past) => return Err(Fault::shape(format!("the past {past:?} does not fit"))),
        };
        let sizes = Sizes {
            batch,
            heads,
            kv_heads: heads,
            queries: length,
            new_keys: length,
            past,
            size,
            v_size,
        };
        sizes.check()
    }
}

impl<B: Backend> Operator<B> for ProjectedAttention {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, w) = (inputs.float(0)?, inputs.float(1)?);
        let sizes = self.sizes(x, w, inputs.optional_float(PAST)?)?;
        if let Some(bias) = inputs.optional_float(BIAS)?
            && bias != w.get(1..).unwrap_or_default()
        {
            return Err(Fault::shape(format!(
                "the bias {bias:?} does not fit the weights {w:?}"
            )));
        }
        self.fused.check_masks(inputs, MASKS, sizes)?;
        if self.outputs > 1 && sizes.size != sizes.v_size {
            return Err(Fault::shape("present needs keys and values of one size"));
        }
        let all = [
            vec![
                sizes.batch,
                sizes.queries,
                count(&[sizes.heads, sizes.v_size])?,
            ],
            [vec![2], sizes.present(sizes.size)].concat(),
        ];
        Ok(all
            .into_iter()
            .take(self.outputs)
            .map(Fact::float)
            .collect())
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let past = inputs.fact(PAST).map(|fact| fact.shape().to_vec());
        let sizes = self.sizes(&inputs.shape(0)?, &inputs.shape(1)?, past.as_deref())?;
        let mask = self.fused.mask(&mut inputs, MASKS, sizes)?;
        let (x, w) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let rows = sizes.batch * sizes.queries;
        let x = B::float_reshape(
            x.clone(),
            Shape::from([rows, x.shape().num_elements() / rows]),
        );
        let mut projected = B::float_matmul(x, w);
        if let Some(bias) = inputs.optional_tensor(BIAS)? {
            let size = bias.shape().num_elements();
            projected = B::float_add(projected, B::float_reshape(bias, Shape::from([1, size])));
        }
        let four = |columns: std::ops::Range<usize>| {
            let shape = [sizes.batch, sizes.queries, columns.len()];
            let x = part::<B>(projected.clone(), 1, columns);
            split_heads::<B>(B::float_reshape(x, Shape::from(shape)), sizes.heads)
        };
        let hidden = sizes.heads * sizes.size;
        let q = four(0..hidden);
        let mut k = four(hidden..2 * hidden);
        let mut v = four(2 * hidden..2 * hidden + sizes.heads * sizes.v_size);
        if sizes.past > 0 {
            let shape = [sizes.batch, sizes.heads, sizes.past, sizes.size];
            let [past_k, past_v] = parts::<B, 2>(inputs.tensor(PAST)?, 0)
                .map(|past| B::float_reshape(past, Shape::from(shape)));
            k = after_past::<B>(Some(past_k), k);
            v = after_past::<B>(Some(past_v), v);
        }
        let rule = self.fused.rule(sizes);
        let (out, _) = attend::<B>([q, k.clone(), v.clone()], sizes, &rule, mask, None);
        let mut all = vec![merge_heads::<B>(out)];
        if self.outputs > 1 {
            let shape = [vec![1], sizes.present(sizes.size)].concat();
            let pair = [k, v].map(|x| B::float_reshape(x, Shape::from(shape.clone())));
            all.push(B::float_cat(pair.to_vec(), 0));
        }
        Ok(all)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // The past is of keys and of values before it is of samples.
        if inputs.get(PAST).is_some() {
            return None;
        }
        let paired = [0, MASKS[0], MASKS[1]];
        let mut places = paired_first(samples, inputs, &paired, outputs.len())?;
        for place in places.iter_mut().skip(1).flatten() {
            place.axis = 1;
        }
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, wave};

    /// 2 samples, 2 steps, 2 heads.
    fn attention() -> Case {
        Case::new("Attention")
            .domain("com.microsoft")
            .int("num_heads", 2)
            .input(wave(1, &[2, 2, 3]))
    }

    fn projected() -> Case {
        attention()
            .constant(wave(2, &[3, 12]))
            .constant(wave(3, &[12]))
    }

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn masks_of_keys() {
        let case = projected();
        case.output_gives(
            0,
            &[2, 2, 4],
            &[
                0.444921, 0.562187, -0.523152, 0.28144, 0.444945, 0.562206, -0.523162, 0.281433,
                0.288719, 0.437225, -0.616922, 0.218927, 0.288742, 0.437244, -0.616933, 0.21892,
            ],
        );
        case.gradient_agrees();
        let keys = || ints(&[2, 2], &[0, 1, 1, 1]);
        for case in [projected().constant(keys()), projected().input(keys())] {
            case.output_gives(
                0,
                &[2, 2, 4],
                &[
                    0.40625, 0.53125, -0.546875, 0.265625, 0.40625, 0.53125, -0.546875, 0.265625,
                    0.288719, 0.437225, -0.616922, 0.218927, 0.288742, 0.437244, -0.616933,
                    0.21892,
                ],
            );
            case.gradient_agrees();
        }
        let case = projected().constant(ints(&[4], &[2, 1, 1, 0]));
        case.output_gives(
            0,
            &[2, 2, 4],
            &[
                0.40625, 0.53125, -0.546875, 0.265625, 0.40625, 0.53125, -0.546875, 0.265625,
                0.328125, 0.46875, -0.59375, 0.234375, 0.328125, 0.46875, -0.59375, 0.234375,
            ],
        );
    }

    #[test]
    fn unidirectional_after_a_past() {
        let case = projected()
            .outputs(2)
            .int("unidirectional", 1)
            .absent()
            .input(wave(4, &[2, 2, 2, 1, 2]));
        case.output_gives(
            0,
            &[2, 2, 4],
            &[
                0.0101188, 0.542013, -0.253496, -0.0959914, 0.133904, 0.538608, -0.351502,
                0.0250284, 0.35315, 0.151764, -0.607146, 0.241073, 0.319884, 0.234253, -0.61915,
                0.227461,
            ],
        );
        case.output_gives(
            1,
            &[2, 2, 2, 3, 2],
            &[
                -0.5, 0.375, 0.21875, -0.875, 0.25, -0.828125, -0.125, -0.625, -0.078125, 0.03125,
                -0.015625, 0.109375, 0.25, -0.25, 0.28125, -0.78125, 0.3125, -0.734375, 0.625,
                0.125, 0.046875, 0.1875, 0.109375, 0.265625, -0.375, 0.5, 0.484375, 0.59375,
                0.40625, 0.53125, 0.0, -0.5, -0.5, 0.296875, -0.546875, 0.265625, 0.375, -0.125,
                0.328125, 0.46875, 0.25, 0.40625, -0.625, 0.25, -0.59375, 0.234375, -0.640625,
                0.203125,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn columns_of_several_sizes() {
        let case = |sizes: &[i64]| {
            attention()
                .ints("qkv_hidden_sizes", sizes)
                .input(wave(2, &[3, 14]))
                .absent()
                .absent()
                .absent()
                .constant(wave(5, &[1, 1, 2, 2]))
        };
        case(&[4, 4, 6]).output_gives(
            0,
            &[2, 2, 6],
            &[
                -0.00226661,
                -0.1807,
                0.131559,
                -0.046875,
                -0.225461,
                0.0870647,
                -0.00212931,
                -0.181112,
                0.132108,
                -0.046875,
                -0.225964,
                0.087442,
                -0.0957424,
                0.0997273,
                -0.242345,
                -0.046875,
                0.148534,
                -0.193432,
                -0.095606,
                0.0993179,
                -0.241799,
                -0.046875,
                0.148034,
                -0.193057,
            ],
        );
        case(&[4, 4, 6]).gradient_agrees();
        case(&[4, 6, 4]).fails("do not make queries, keys and values");
        case(&[4, 4]).fails("do not make queries, keys and values");
        case(&[4, 4, -6]).fails("do not make queries, keys and values");
    }

    #[test]
    fn faults() {
        projected().int("do_rotary", 1).fails("do_rotary");
        projected()
            .int("past_present_share_buffer", 1)
            .fails("past_present_share_buffer");
        attention()
            .input(wave(1, &[4, 12]))
            .fails("rows of weights");
        attention().input(wave(1, &[3, 11])).fails("11 columns");
        attention()
            .input(wave(1, &[3, 12]))
            .input(wave(1, &[11]))
            .fails("the bias [11]");
        projected()
            .absent()
            .input(wave(1, &[2, 2, 2, 1, 3]))
            .fails("the past");
    }
}
