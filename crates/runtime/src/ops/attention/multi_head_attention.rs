//! com.microsoft.MultiHeadAttention: `softmax(scale Q K^T + masks) V` of several heads.
//!
//! The query is \[batch, queries, heads * size\], key and value \[batch, keys, heads * size\] or, for
//! cross attention, \[batch, heads, keys, size\]. The bias of the projections is added to the former.
//! Past keys and values come before the new ones.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fused::Fused;
use super::product::{Sizes, after_past, attend, merge_heads, split_heads};
use crate::Fault;
use crate::ops::part::part;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

const BIAS: usize = 3;
const MASKS: [usize; 2] = [4, 5];
const PAST_KEY: usize = 6;
const PAST_VALUE: usize = 7;

struct MultiHeadAttention {
    fused: Fused,
    outputs: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let given = |index: usize| node.inputs.get(index).is_some_and(|name| !name.is_empty());
    if !given(1) || !given(2) {
        return Err(Fault::Unsupported("packed queries, keys and values".into()));
    }
    if given(8) || given(9) {
        return Err(Fault::Unsupported("a shared buffer of past keys".into()));
    }
    if node.outputs.len() > 3 {
        return Err(Fault::Unsupported("the output qk".into()));
    }
    Ok(Box::new(MultiHeadAttention {
        fused: Fused::parse(node)?,
        outputs: node.outputs.len(),
    }))
}

impl MultiHeadAttention {
    fn sizes(
        &self,
        q: &[usize],
        k: &[usize],
        v: &[usize],
        past: Option<&[usize]>,
    ) -> Result<Sizes, Fault> {
        let heads = self.fused.heads;
        let four = |shape: &[usize]| match *shape {
            [batch, length, hidden] => Ok([batch, heads, length, self.fused.size(hidden)?]),
            [batch, heads, length, size] => Ok([batch, heads, length, size]),
            _ => Err(Fault::shape("query, key and value must have 3 axes")),
        };
        if q.len() != 3 || k.len() != v.len() {
            return Err(Fault::shape("query, key and value must have 3 axes"));
        }
        let ([batch, _, queries, size], keys, values) = (four(q)?, four(k)?, four(v)?);
        let [_, _, new_keys, v_size] = values;
        if keys != [batch, heads, new_keys, size] || values != [batch, heads, new_keys, v_size] {
            return Err(Fault::shape(format!(
                "keys {keys:?} and values {values:?} do not fit a batch of {batch} queries of \
                 {heads} heads of {size}"
            )));
        }
        let past = match past {
            None => 0,
            Some(&[b, h, past, s]) if [b, h, s] == [batch, heads, size] && k.len() == 3 => past,
            Some(past) => {
                return Err(Fault::shape(format!("the past keys {past:?} do not fit")));
            }
        };
        Sizes {
            batch,
            heads,
            kv_heads: heads,
            queries,
            new_keys,
            past,
            size,
            v_size,
        }
        .check()
    }
}

impl<B: Backend> Operator<B> for MultiHeadAttention {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [q, k, v] = [inputs.float(0)?, inputs.float(1)?, inputs.float(2)?];
        let past = inputs.optional_float(PAST_KEY)?;
        let sizes = self.sizes(q, k, v, past)?;
        let past_value = inputs.optional_float(PAST_VALUE)?;
        let expected = [sizes.batch, sizes.heads, sizes.past, sizes.v_size];
        if past.is_some() != past_value.is_some() || past_value.is_some_and(|v| v != expected) {
            return Err(Fault::shape(
                "the past keys and values do not fit each other",
            ));
        }
        let hidden = count(&[sizes.heads, sizes.size])?;
        let v_hidden = count(&[sizes.heads, sizes.v_size])?;
        if let Some(bias) = inputs.optional_float(BIAS)? {
            let size = count(&[hidden, 2])?.checked_add(v_hidden);
            if bias.len() != 1 || bias.first().copied() != size {
                return Err(Fault::shape(format!(
                    "the bias {bias:?} does not fit {hidden} and {v_hidden} columns"
                )));
            }
        }
        self.fused.check_masks(inputs, MASKS, sizes)?;
        let all = [
            vec![sizes.batch, sizes.queries, v_hidden],
            sizes.present(sizes.size),
            sizes.present(sizes.v_size),
        ];
        Ok(all
            .into_iter()
            .take(self.outputs)
            .map(Fact::float)
            .collect())
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let past = inputs.fact(PAST_KEY).map(|fact| fact.shape().to_vec());
        let [q, k, v] = [inputs.shape(0)?, inputs.shape(1)?, inputs.shape(2)?];
        let sizes = self.sizes(&q, &k, &v, past.as_deref())?;
        let mask = self.fused.mask(&mut inputs, MASKS, sizes)?;
        let bias = inputs.optional_tensor(BIAS)?;
        let hidden = sizes.heads * sizes.size;
        let mut four = |index: usize, axes: usize, columns| -> Result<FloatTensor<B>, Fault> {
            let x = inputs.tensor(index)?;
            if axes == 4 {
                return Ok(x);
            }
            let x = match &bias {
                Some(bias) => {
                    let bias = part::<B>(bias.clone(), 0, columns);
                    let (x, bias) = crate::ops::broadcast::same_rank::<B>(x, bias);
                    B::float_add(x, bias)
                }
                None => x,
            };
            Ok(split_heads::<B>(x, sizes.heads))
        };
        let end = 2 * hidden + sizes.heads * sizes.v_size;
        let q = four(0, q.len(), 0..hidden)?;
        let mut k = four(1, k.len(), hidden..2 * hidden)?;
        let mut v = four(2, v.len(), 2 * hidden..end)?;
        if sizes.past > 0 {
            k = after_past::<B>(inputs.optional_tensor(PAST_KEY)?, k);
            v = after_past::<B>(inputs.optional_tensor(PAST_VALUE)?, v);
        }
        let rule = self.fused.rule(sizes);
        let (out, _) = attend::<B>([q, k.clone(), v.clone()], sizes, &rule, mask, None);
        let all = [merge_heads::<B>(out), k, v];
        Ok(all.into_iter().take(self.outputs).collect())
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // All but the bias of the projections have the batch first.
        let paired = [0, 1, 2, MASKS[0], MASKS[1], PAST_KEY, PAST_VALUE];
        paired_first(samples, inputs, &paired, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, wave};

    /// 2 samples, 2 queries, 2 heads.
    fn attention(k: &[usize], v: &[usize]) -> Case {
        Case::new("MultiHeadAttention")
            .domain("com.microsoft")
            .int("num_heads", 2)
            .input(wave(1, &[2, 2, 4]))
            .input(wave(2, k))
            .input(wave(3, v))
    }

    fn three_keys() -> Case {
        attention(&[2, 3, 4], &[2, 3, 6])
    }

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn masks_of_keys() {
        let masked = || ints(&[2, 3], &[0, 1, 1, 1, 1, 0]);
        let biased = || three_keys().constant(wave(4, &[14]));
        for case in [biased().constant(masked()), biased().input(masked())] {
            case.output_gives(
                0,
                &[2, 2, 6],
                &[
                    -0.2004, 0.1746, 0.5496, -0.46761, -0.09261, 0.28239, -0.239666, 0.135334,
                    0.510334, -0.471507, -0.096507, 0.278493, -0.736245, 1.01375, 0.0137548,
                    -0.968255, 0.781745, -0.218255, -0.740352, 1.00965, 0.00964824, -1.00965,
                    0.740352, -0.259648,
                ],
            );
            case.gradient_agrees();
        }
        let case = three_keys().absent().input(ints(&[2], &[1, 2]));
        case.output_gives(
            0,
            &[2, 2, 6],
            &[
                0.5, 0.0, -0.5, 0.375, -0.125, -0.625, 0.5, 0.0, -0.5, 0.375, -0.125, -0.625,
                -0.388072, 0.486928, -0.0130722, -0.484883, 0.390117, -0.109883, -0.392154,
                0.482846, -0.0171544, -0.526522, 0.348478, -0.151522,
            ],
        );
        let pairs = [0, 1, 1, 1, 0, 0];
        let case = |rows: usize| {
            three_keys()
                .float("scale", 0.5)
                .float("mask_filter_value", -1.0)
                .absent()
                .constant(ints(&[rows, 2, 3], &pairs.repeat(rows)))
                .input(wave(5, &[1, 2, 2, 3]))
        };
        for case in [case(1), case(2)] {
            case.output_gives(
                0,
                &[2, 2, 6],
                &[
                    0.145621, -0.354379, 0.332327, 0.0644329, -0.435567, 0.324317, 0.298519,
                    -0.201481, 0.0775302, 0.172872, -0.327128, -0.0136397, 0.172355, 0.271285,
                    -0.228715, -0.175125, 0.179278, -0.320722, -0.165476, 0.416675, -0.0833252,
                    -0.311843, 0.292077, -0.207923,
                ],
            );
            case.gradient_agrees();
        }
    }

    #[test]
    fn unidirectional_after_a_past() {
        let case = attention(&[2, 2, 4], &[2, 2, 4])
            .outputs(3)
            .int("unidirectional", 1)
            .absent()
            .absent()
            .absent()
            .input(wave(6, &[2, 2, 1, 2]))
            .input(wave(7, &[2, 2, 1, 2]));
        case.output_gives(
            0,
            &[2, 2, 4],
            &[
                0.563536, 0.0635357, -0.43819, 0.436809, 0.369881, -0.130119, -0.199185, 0.198734,
                0.355386, -0.144614, 0.0, 0.1875, 0.238432, -0.261568, 0.11571, 0.0910752,
            ],
        );
        case.output_gives(
            1,
            &[2, 2, 3, 2],
            &[
                0.25, -0.25, 0.125, -0.375, -0.5, 0.375, 0.625, 0.125, 0.5, 0.0, -0.125, -0.625,
                -0.375, 0.5, 0.25, -0.25, -0.375, 0.5, 0.0, -0.5, 0.625, 0.125, 0.0, -0.5,
            ],
        );
        case.output_gives(
            2,
            &[2, 2, 3, 2],
            &[
                0.625, 0.125, 0.5, 0.0, -0.125, -0.625, -0.375, 0.5, -0.5, 0.375, 0.25, -0.25, 0.0,
                -0.5, 0.625, 0.125, 0.0, -0.5, 0.375, -0.125, -0.375, 0.5, 0.375, -0.125,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn across() {
        let case = attention(&[2, 2, 3, 2], &[2, 2, 3, 2]).constant(wave(4, &[12]));
        case.output_gives(
            0,
            &[2, 2, 4],
            &[
                -0.0744359, -0.243222, 0.215993, 0.0594739, -0.0615952, -0.104769, 0.210518,
                0.0675096, -0.0433444, -0.151431, 0.188336, 0.0936226, -0.101929, -0.145809,
                0.0982847, 0.115606,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn faults() {
        let masked = |shape: &[usize]| {
            let zeros = vec![0; shape.iter().product()];
            three_keys().absent().constant(ints(shape, &zeros))
        };
        masked(&[8]).fails("cumulated sequence lengths is not supported");
        masked(&[2, 4]).fails("the mask of keys [2, 4] does not fit");
        masked(&[2, 1, 3, 3]).fails("4 axes is not supported");
        three_keys().constant(wave(4, &[12])).fails("the bias [12]");
        three_keys()
            .absent()
            .absent()
            .input(wave(4, &[2, 1, 3, 3]))
            .fails("attention bias");
        Case::new("MultiHeadAttention")
            .domain("com.microsoft")
            .input(wave(1, &[2, 2, 2, 3, 2]))
            .fails("packed queries, keys and values is not supported");
        attention(&[2, 3, 6], &[2, 3, 6]).fails("do not fit");
        attention(&[2, 3, 3], &[2, 3, 3]).fails("3 columns do not make 2 heads");
        three_keys().outputs(4).fails("the output qk");
        Case::new("MultiHeadAttention")
            .domain("com.microsoft")
            .input(wave(1, &[2, 2, 4]))
            .input(wave(2, &[2, 2, 4]))
            .input(wave(3, &[2, 2, 4]))
            .fails("num_heads must be positive");
    }
}
