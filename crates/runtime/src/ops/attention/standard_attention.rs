//! Attention (opsets 23 and 24): `softmax(scale Q K^T, capped, + mask) V`.
//!
//! Q is \[batch, heads, queries, size\], or \[batch, queries, heads * size\] with attributes for the
//! heads; K and V likewise, of keys. Past keys and values come before the new ones. The mask
//! broadcasts to \[batch, heads, queries, keys\]: floats are added, false and minus infinity block;
//! from opset 24 it may be short of keys, which are then blocked. A query that may see no key gets
//! zeros.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::product::{Rule, Sizes, Stage, after_past, attend, merge_heads, split_heads};
use super::standard_mask::{LENGTHS, MASK, Masks};
use crate::Fault;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

const PAST_KEY: usize = 4;
const PAST_VALUE: usize = 5;

struct Attention {
    /// Of queries and of keys, for inputs of 3 axes.
    heads: Option<(i64, i64)>,
    scale: Option<f32>,
    softcap: f32,
    masks: Masks,
    stage: Stage,
    outputs: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let heads = attributes.int("q_num_heads")?;
    let stage = match attributes.int_or("qk_matmul_output_mode", 0)? {
        0 => Stage::Product,
        1 => Stage::Capped,
        2 => Stage::Masked,
        3 => Stage::Weights,
        mode => {
            return Err(Fault::shape(format!(
                "qk_matmul_output_mode {mode} is not one of 0 to 3"
            )));
        }
    };
    Ok(Box::new(Attention {
        heads: heads.zip(attributes.int("kv_num_heads")?),
        scale: attributes.float("scale")?,
        softcap: attributes.float_or("softcap", 0.0)?,
        masks: Masks {
            is_causal: attributes.int_or("is_causal", 0)? != 0,
            may_be_short: context.opset >= 24,
        },
        stage,
        outputs: node.outputs.len(),
    }))
}

impl Attention {
    fn sizes(&self, shapes: [&[usize]; 3], past: Option<&[usize]>) -> Result<Sizes, Fault> {
        let split = |shape: &[usize], heads: i64| match *shape {
            [batch, length, hidden] => {
                let heads = usize::try_from(heads).ok();
                let heads = heads.filter(|&heads| heads > 0 && hidden % heads == 0);
                let heads = heads.ok_or_else(|| {
                    Fault::shape(format!("{hidden} columns do not make heads of one size"))
                })?;
                Ok([batch, heads, length, hidden / heads])
            }
            [batch, heads, length, size] => Ok([batch, heads, length, size]),
            _ => Err(Fault::shape("Q, K and V must have 3 or 4 axes")),
        };
        if shapes.iter().any(|shape| shape.len() == 3) && self.heads.is_none() {
            return Err(Fault::shape(
                "inputs of 3 axes need attributes q_num_heads and kv_num_heads",
            ));
        }
        let (heads, kv_heads) = self.heads.unwrap_or_default();
        let [q, k, v] = shapes;
        if q.len() != k.len() || q.len() != v.len() {
            return Err(Fault::shape("Q, K and V must have as many axes"));
        }
        let ([batch, heads, queries, size], k, v) =
            (split(q, heads)?, split(k, kv_heads)?, split(v, kv_heads)?);
        let [_, kv_heads, new_keys, v_size] = v;
        if k != [batch, kv_heads, new_keys, size] || v.first() != Some(&batch) {
            return Err(Fault::shape(format!(
                "keys {k:?} and values {v:?} do not fit a batch of {batch} queries of {size}"
            )));
        }
        let past = match past {
            None => 0,
            Some(&[b, h, past, s]) if [b, h, s] == [batch, kv_heads, size] => past,
            Some(past) => {
                return Err(Fault::shape(format!("the past keys {past:?} do not fit")));
            }
        };
        Sizes {
            batch,
            heads,
            kv_heads,
            queries,
            new_keys,
            past,
            size,
            v_size,
        }
        .check()
    }
}

impl<B: Backend> Operator<B> for Attention {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shapes = [inputs.float(0)?, inputs.float(1)?, inputs.float(2)?];
        let past = inputs.optional_float(PAST_KEY)?;
        let sizes = self.sizes(shapes, past)?;
        let past_value = inputs.optional_float(PAST_VALUE)?;
        let expected = [sizes.batch, sizes.kv_heads, sizes.past, sizes.v_size];
        if past.is_some() != past_value.is_some() || past_value.is_some_and(|v| v != expected) {
            return Err(Fault::shape(
                "the past keys and values do not fit each other",
            ));
        }
        self.masks.check(inputs, sizes)?;
        let out = match *shapes[0] {
            [batch, queries, _] => vec![batch, queries, count(&[sizes.heads, sizes.v_size])?],
            _ => vec![sizes.batch, sizes.heads, sizes.queries, sizes.v_size],
        };
        let all = [
            out,
            sizes.present(sizes.size),
            sizes.present(sizes.v_size),
            sizes.scores().to_vec(),
        ];
        Ok(all
            .into_iter()
            .take(self.outputs)
            .map(Fact::float)
            .collect())
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shapes = [inputs.shape(0)?, inputs.shape(1)?, inputs.shape(2)?];
        let past = inputs.fact(PAST_KEY).map(|fact| fact.shape().to_vec());
        let sizes = self.sizes(shapes.each_ref().map(Vec::as_slice), past.as_deref())?;
        let packed = shapes[0].len() == 3;
        let mask = self.masks.mask(&mut inputs, sizes)?;
        let mut four = |index: usize, heads: usize| -> Result<FloatTensor<B>, Fault> {
            let x = inputs.tensor(index)?;
            Ok(if packed {
                split_heads::<B>(x, heads)
            } else {
                x
            })
        };
        let q = four(0, sizes.heads)?;
        let (k, v) = (four(1, sizes.kv_heads)?, four(2, sizes.kv_heads)?);
        let (k, v) = match sizes.past {
            0 => (k, v),
            _ => (
                after_past::<B>(inputs.optional_tensor(PAST_KEY)?, k),
                after_past::<B>(inputs.optional_tensor(PAST_VALUE)?, v),
            ),
        };
        let rule = Rule {
            scale: self.scale.unwrap_or(1.0 / (sizes.size as f32).sqrt()),
            softcap: self.softcap,
        };
        let stage = (self.outputs > 3).then_some(self.stage);
        let (out, scores) = attend::<B>([q, k.clone(), v.clone()], sizes, &rule, mask, stage);
        let out = if packed { merge_heads::<B>(out) } else { out };
        let all = [Some(out), Some(k), Some(v), scores].into_iter().flatten();
        Ok(all.take(self.outputs).collect())
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let mask = inputs.get(MASK).map(Fact::shape);
        let held = samples.get(MASK).copied().flatten().is_some();
        // The mask has the batch first if it has four axes.
        let paired = match mask {
            Some(shape) if shape.len() != 4 => match held {
                true => return None,
                false => vec![0, 1, 2, PAST_KEY, PAST_VALUE, LENGTHS],
            },
            _ => vec![0, 1, 2, MASK, PAST_KEY, PAST_VALUE, LENGTHS],
        };
        paired_first(samples, inputs, &paired, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Operand, bools, floats, ints, wave};

    fn attention(opset: i64) -> Case {
        Case::new("Attention")
            .opset(opset)
            .input(wave(1, &[1, 2, 2, 2]))
            .input(wave(2, &[1, 2, 3, 2]))
            .input(wave(3, &[1, 2, 3, 2]))
    }

    // The expected values of all tests here are those of onnxruntime 1.32, unless said otherwise.

    #[test]
    fn plain_and_causal() {
        let case = attention(23);
        case.output_gives(
            0,
            &[1, 2, 2, 2],
            &[
                -0.0674103, -0.152481, -0.0239278, -0.0493476, 0.137789, 0.158049, 0.173487,
                0.116715,
            ],
        );
        case.gradient_agrees();
        let case = attention(24).float("scale", 2.0).int("is_causal", 1);
        case.output_gives(
            0,
            &[1, 2, 2, 2],
            &[
                0.5, 0.0, 0.0467381, 0.169973, 0.25, -0.25, 0.428717, -0.0712826,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn a_query_that_sees_no_key_gets_zeros() {
        let seen = [true, true, false, false, false, false];
        let low = f32::NEG_INFINITY;
        let infinite = || floats(&[2, 3], &[0.5, 0.5, low, low, low, low]);
        for case in [
            attention(23).constant(bools(&[2, 3], &seen)),
            attention(24).input(bools(&[2, 3], &seen)),
            attention(24).constant(infinite()),
            attention(24).input(infinite()),
        ] {
            case.output_gives(
                0,
                &[1, 2, 2, 2],
                &[
                    -0.0248387, 0.196815, 0.0, 0.0, 0.449911, -0.0500886, 0.0, 0.0,
                ],
            );
        }
        attention(24).constant(infinite()).gradient_agrees();
    }

    fn mask() -> Operand {
        floats(&[2, 3], &[0.5, -0.5, f32::NEG_INFINITY, 0.0, 0.25, -1.0])
    }

    #[test]
    fn scores_come_out_at_each_stage() {
        let case = |mode| {
            attention(24)
                .outputs(4)
                .float("softcap", 0.5)
                .int("qk_matmul_output_mode", mode)
                .constant(mask())
        };
        case(0).output_gives(
            0,
            &[1, 2, 2, 2],
            &[
                0.212594, 0.107777, -0.0552846, 0.109227, 0.360842, -0.139158, 0.346646, 0.0304174,
            ],
        );
        case(0).output_gives(
            1,
            &[1, 2, 3, 2],
            &[
                0.125, -0.375, 0.5, 0.0, -0.5, 0.375, -0.125, -0.625, 0.25, -0.25, 0.625, 0.125,
            ],
        );
        case(0).output_gives(
            2,
            &[1, 2, 3, 2],
            &[
                0.5, 0.0, -0.5, 0.375, -0.125, -0.625, 0.25, -0.25, 0.625, 0.125, -0.375, 0.5,
            ],
        );
        case(0).output_gives(
            3,
            &[1, 2, 2, 3],
            &[
                -0.187825, -0.0883883, 0.254117, 0.110485, 0.0441942, -0.143631, -0.0441942,
                0.0883883, 0.220971, -0.121534, -0.15468, -0.187825,
            ],
        );
        case(1).output_gives(
            3,
            &[1, 2, 2, 3],
            &[
                -0.179462, -0.087479, 0.234284, 0.108722, 0.0440794, -0.139806, -0.0440794,
                0.087479, 0.207626, -0.119196, -0.149927, -0.179462,
            ],
        );
        case(2).output_gives(
            3,
            &[1, 2, 2, 3],
            &[
                0.320538,
                -0.587479,
                f32::NEG_INFINITY,
                0.108722,
                0.294079,
                -1.13981,
                0.455921,
                -0.412521,
                f32::NEG_INFINITY,
                -0.119196,
                0.100073,
                -1.17946,
            ],
        );
        case(3).output_gives(
            3,
            &[1, 2, 2, 3],
            &[
                0.712594, 0.287406, 0.0, 0.401514, 0.483281, 0.115205, 0.704421, 0.295579, 0.0,
                0.385873, 0.480475, 0.133652,
            ],
        );
        case(0).gradient_agrees();
        case(4).fails("qk_matmul_output_mode 4");
    }

    #[test]
    fn shared_heads_of_three_axes_after_a_past() {
        let case = Case::new("Attention")
            .opset(23)
            .outputs(3)
            .int("q_num_heads", 4)
            .int("kv_num_heads", 2)
            .int("is_causal", 1)
            .input(wave(1, &[2, 2, 8]))
            .input(wave(2, &[2, 1, 4]))
            .input(wave(3, &[2, 1, 6]))
            .absent()
            .input(wave(4, &[2, 2, 2, 2]))
            .input(wave(5, &[2, 2, 2, 3]));
        case.output_gives(
            0,
            &[2, 2, 12],
            &[
                0.0204978, -0.110957, 0.00169365, 0.0502532, 0.0597315, -0.0621995, -0.165801,
                0.244764, -0.255236, -0.166996, 0.251399, -0.248601, 0.0412786, 0.0825574,
                -0.05779, 0.0545836, 0.0484386, -0.0642713, -0.16564, 0.242367, -0.257633,
                -0.166382, 0.248637, -0.251363, 0.151722, 0.0480553, -0.0377032, 0.117332,
                0.0490747, -0.0286183, 0.332824, -0.167176, -0.254482, 0.346392, -0.153608,
                -0.286934, 0.140307, 0.048328, -0.0345344, 0.105792, 0.049549, -0.0258783, 0.33733,
                -0.16267, -0.265474, 0.312783, -0.187217, -0.132125,
            ],
        );
        case.output_gives(
            1,
            &[2, 2, 3, 2],
            &[
                -0.5, 0.375, -0.125, -0.625, 0.125, -0.375, 0.25, -0.25, 0.625, 0.125, 0.5, 0.0,
                -0.375, 0.5, 0.0, -0.5, -0.5, 0.375, 0.375, -0.125, -0.625, 0.25, -0.125, -0.625,
            ],
        );
        case.output_gives(
            2,
            &[2, 2, 3, 3],
            &[
                -0.125, -0.625, 0.25, -0.25, 0.625, 0.125, 0.5, 0.0, -0.5, -0.375, 0.5, 0.0, -0.5,
                0.375, -0.125, 0.375, -0.125, -0.625, -0.625, 0.25, -0.25, 0.625, 0.125, -0.375,
                0.25, -0.25, 0.625, 0.5, 0.0, -0.5, 0.375, -0.125, -0.625, 0.125, -0.375, 0.5,
            ],
        );
        case.gradient_agrees();
    }

    fn batch() -> Case {
        Case::new("Attention")
            .opset(24)
            .input(wave(1, &[2, 1, 2, 2]))
            .input(wave(2, &[2, 1, 3, 2]))
            .input(wave(3, &[2, 1, 3, 2]))
    }

    #[test]
    fn lengths_and_short_masks() {
        let lengths = |case: Case| case.absent().absent().absent();
        for case in [
            lengths(batch()).constant(ints(&[2], &[1, 2])),
            lengths(batch()).input(ints(&[2], &[1, 2])),
        ] {
            case.output_gives(
                0,
                &[2, 1, 2, 2],
                &[
                    0.5, 0.0, 0.5, 0.0, 0.449911, -0.0500886, 0.434393, -0.0656071,
                ],
            );
        }
        // ONNX's reference evaluator.
        let case = batch()
            .constant(wave(4, &[2, 1, 2, 2]))
            .absent()
            .absent()
            .constant(ints(&[2], &[2, 2]));
        case.output_gives(
            0,
            &[2, 1, 2, 2],
            &[
                -0.226003, 0.272251, 0.137907, 0.135785, 0.403437, -0.0965631, 0.388669, -0.111331,
            ],
        );
    }

    #[test]
    fn faults() {
        attention(23)
            .constant(wave(4, &[2, 2]))
            .fails("does not broadcast");
        attention(24)
            .constant(wave(4, &[3, 3]))
            .fails("does not broadcast");
        attention(24)
            .constant(ints(&[2, 3], &[1; 6]))
            .fails("booleans or floats");
        attention(24)
            .absent()
            .input(wave(1, &[1, 2, 1, 2]))
            .fails("past keys and values");
        batch()
            .absent()
            .absent()
            .absent()
            .constant(ints(&[3], &[1; 3]))
            .fails("not 2 integers");
        let lengths = |case: Case| case.absent().absent().absent();
        lengths(batch().int("is_causal", 1))
            .constant(ints(&[2], &[1; 2]))
            .fails("is_causal with nonpad_kv_seqlen is not supported");
        let three = |q: &[usize], k: &[usize]| {
            Case::new("Attention")
                .opset(24)
                .input(wave(1, q))
                .input(wave(2, k))
                .input(wave(3, k))
        };
        three(&[1, 2, 4], &[1, 2, 4]).fails("q_num_heads");
        let heads = |case: Case, q, kv| case.int("q_num_heads", q).int("kv_num_heads", kv);
        heads(three(&[1, 2, 4], &[1, 2, 4]), 3, 3).fails("heads of one size");
        heads(three(&[1, 2, 4], &[1, 2, 4]), 0, 2).fails("heads of one size");
        heads(three(&[1, 2, 6], &[1, 2, 4]), 3, 2).fails("cannot share");
        three(&[1, 2, 2, 4], &[2, 2, 2, 4]).fails("do not fit");
        three(&[1, 2, 0, 4], &[1, 2, 2, 4]).fails("are empty");
        three(&[1, 1], &[1, 1]).fails("3 or 4 axes");
    }
}
