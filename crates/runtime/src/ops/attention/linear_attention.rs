//! LinearAttention (opset 27): a state of \[size, v_size\] in each head is written by keys and values
//! and read by queries, step by step (Katharopoulos et al., 2020; Yang et al., 2024):
//!
//! - gated: `S = exp(g) S`; delta: `v = beta (v - S^T k)`; then `S = S + k v^T`;
//! - the output is `scale S^T q`.
//!
//! Queries, keys, values, decay g and beta are \[batch, time, heads * size\]; several heads of queries
//! may share one state. The state is \[batch, kv_heads, size, v_size\]. Unrolled over time.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::part::entries;
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

const STATE: usize = 3;
const DECAY: usize = 4;
const BETA: usize = 5;

struct LinearAttention {
    heads: usize,
    kv_heads: usize,
    scale: Option<f32>,
    gated: bool,
    delta: bool,
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    steps: usize,
    size: usize,
    v_size: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let heads = |name: &str| -> Result<usize, Fault> {
        let heads = usize::try_from(attributes.int_or(name, 0)?).ok();
        let heads = heads.filter(|&heads| heads > 0);
        heads.ok_or_else(|| Fault::shape(format!("attribute {name} must be positive")))
    };
    let (gated, delta) = match attributes.string("update_rule")?.unwrap_or("gated_delta") {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        rule => return Err(Fault::shape(format!("update_rule {rule:?} is unknown"))),
    };
    let (heads, kv_heads) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    if !heads.is_multiple_of(kv_heads) {
        return Err(Fault::shape(format!(
            "{heads} heads of queries cannot share {kv_heads} states"
        )));
    }
    Ok(Box::new(LinearAttention {
        heads,
        kv_heads,
        scale: attributes.float("scale")?.filter(|&scale| scale != 0.0),
        gated,
        delta,
    }))
}

impl LinearAttention {
    fn sizes(&self, [q, k, v]: [&[usize]; 3]) -> Result<Sizes, Fault> {
        let (&[batch, steps, q_hidden], &[.., k_hidden], &[.., v_hidden]) = (q, k, v) else {
            return Err(Fault::shape("query, key and value must have 3 axes"));
        };
        let (size, v_size) = (q_hidden / self.heads, v_hidden / self.kv_heads);
        let fits = Some(q_hidden) == size.checked_mul(self.heads)
            && Some(k_hidden) == size.checked_mul(self.kv_heads)
            && Some(v_hidden) == v_size.checked_mul(self.kv_heads)
            && k == [batch, steps, k_hidden]
            && v == [batch, steps, v_hidden]
            && ![steps, size, v_size].contains(&0);
        match fits {
            true => Ok(Sizes {
                batch,
                steps,
                size,
                v_size,
            }),
            false => Err(Fault::shape(format!(
                "{q:?}, {k:?} and {v:?} do not make {} and {} heads of one size",
                self.heads, self.kv_heads
            ))),
        }
    }

    fn check(&self, inputs: &Facts, sizes: Sizes) -> Result<(), Fault> {
        let Sizes {
            batch,
            steps,
            size,
            v_size,
        } = sizes;
        let state = [batch, self.kv_heads, size, v_size];
        if inputs.optional_float(STATE)?.is_some_and(|s| s != state) {
            return Err(Fault::shape(format!("the state must be {state:?}")));
        }
        let hidden = count(&[self.kv_heads, size])?;
        for (index, needed, columns) in [
            (DECAY, self.gated, [self.kv_heads, hidden]),
            (BETA, self.delta, [self.kv_heads, 1]),
        ] {
            let shape = inputs.optional_float(index)?;
            let fits = match (needed, shape) {
                (false, None) => true,
                (true, Some(&[b, t, n])) => [b, t] == [batch, steps] && columns.contains(&n),
                _ => false,
            };
            if !fits {
                return Err(Fault::shape(match needed {
                    true => format!(
                        "input {index} must be [{batch}, {steps}, {} or {}]",
                        columns[0], columns[1]
                    ),
                    false => format!("input {index} does not belong to this update_rule"),
                }));
            }
        }
        Ok(())
    }
}

/// \[batch, time, heads * size\] as one \[batch, heads, rows, columns\] a step.
fn steps<B: Backend>(x: FloatTensor<B>, shape: [usize; 4]) -> Vec<FloatTensor<B>> {
    entries::<B>(B::float_swap_dims(x, 0, 1))
        .into_iter()
        .map(|x| B::float_reshape(x, Shape::from(shape)))
        .collect()
}

impl<B: Backend> Operator<B> for LinearAttention {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let sizes = self.sizes([inputs.float(0)?, inputs.float(1)?, inputs.float(2)?])?;
        self.check(inputs, sizes)?;
        let Sizes {
            batch,
            steps,
            size,
            v_size,
        } = sizes;
        let out = vec![batch, steps, count(&[self.heads, v_size])?];
        Ok(vec![
            Fact::float(out),
            Fact::float(vec![batch, self.kv_heads, size, v_size]),
        ])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shapes = [inputs.shape(0)?, inputs.shape(1)?, inputs.shape(2)?];
        let sizes = self.sizes(shapes.each_ref().map(Vec::as_slice))?;
        let Sizes {
            batch,
            size,
            v_size,
            ..
        } = sizes;
        let kv = self.kv_heads;
        let scale = self.scale.unwrap_or(1.0 / (size as f32).sqrt());
        let q = B::float_mul_scalar(inputs.tensor(0)?, scale.into());
        let q = steps::<B>(q, [batch, kv, self.heads / kv, size]);
        let k = steps::<B>(inputs.tensor(1)?, [batch, kv, size, 1]);
        let v = steps::<B>(inputs.tensor(2)?, [batch, kv, 1, v_size]);
        let mut decay = match inputs.optional_tensor(DECAY)? {
            Some(decay) => {
                let columns = decay.shape().iter().nth(2).copied().unwrap_or(kv) / kv;
                steps::<B>(B::float_exp(decay), [batch, kv, columns, 1])
            }
            None => Vec::new(),
        }
        .into_iter();
        let mut beta = match inputs.optional_tensor(BETA)? {
            Some(beta) => {
                let heads = beta.shape().iter().nth(2).copied().unwrap_or(1);
                steps::<B>(beta, [batch, heads, 1, 1])
            }
            None => Vec::new(),
        }
        .into_iter();
        let mut state = match inputs.optional_tensor(STATE)? {
            Some(state) => state,
            None => {
                let shape = [batch, kv, size, v_size];
                inputs.upload(&shape, vec![0.0; count(&shape)?])
            }
        };
        let mut outputs = Vec::with_capacity(sizes.steps);
        for ((q, k), mut v) in q.into_iter().zip(k).zip(v) {
            if let Some(decay) = decay.next() {
                state = B::float_mul(state, decay);
            }
            if let Some(beta) = beta.next() {
                let read = B::float_matmul(B::float_swap_dims(k.clone(), 2, 3), state.clone());
                v = B::float_mul(B::float_sub(v, read), beta);
            }
            state = B::float_add(state, B::float_mul(k, v));
            let out = B::float_matmul(q, state.clone());
            outputs.push(B::float_reshape(
                out,
                Shape::from([batch, 1, self.heads * v_size]),
            ));
        }
        let out = match outputs.len() {
            1 => outputs.swap_remove(0),
            _ => B::float_cat(outputs, 1),
        };
        Ok(vec![out, state])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        paired_first(
            samples,
            inputs,
            &[0, 1, 2, STATE, DECAY, BETA],
            outputs.len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, wave};

    fn attention(rule: &str) -> Case {
        Case::new("LinearAttention")
            .opset(27)
            .outputs(2)
            .int("q_num_heads", 2)
            .int("kv_num_heads", 1)
            .string("update_rule", rule)
            .input(wave(1, &[2, 3, 4]))
            .input(wave(2, &[2, 3, 2]))
            .input(wave(3, &[2, 3, 3]))
    }

    fn state(case: Case) -> Case {
        case.input(wave(4, &[2, 1, 2, 3]))
    }

    /// The rules over time are those of the ONNX node suite; here is one step by hand.
    #[test]
    fn one_step() {
        // exp(g) = 0.5, S^T k = [3, 4] / 2 * 2, v = 0.5 * ([1, 1] - [3, 4]).
        let case = Case::new("LinearAttention")
            .opset(27)
            .outputs(2)
            .int("q_num_heads", 1)
            .int("kv_num_heads", 1)
            .float("scale", 10.0)
            .input(floats(&[1, 1, 2], &[1.0, -1.0]))
            .input(floats(&[1, 1, 2], &[0.0, 2.0]))
            .input(floats(&[1, 1, 2], &[1.0, 1.0]))
            .input(floats(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(floats(&[1, 1, 1], &[0.5f32.ln()]))
            .input(floats(&[1, 1, 1], &[0.5]));
        case.output_gives(1, &[1, 1, 2, 2], &[0.5, 1.0, -0.5, -1.0]);
        case.output_gives(0, &[1, 1, 2], &[10.0, 20.0]);
    }

    #[test]
    fn gradients() {
        attention("linear").gradient_agrees();
        state(attention("gated"))
            .input(wave(5, &[2, 3, 2]))
            .gradient_agrees();
        state(attention("delta"))
            .absent()
            .input(wave(6, &[2, 3, 1]))
            .gradient_agrees();
        state(attention("gated_delta"))
            .input(wave(5, &[2, 3, 1]))
            .input(wave(6, &[2, 3, 1]))
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        attention("square").fails("update_rule \"square\"");
        attention("gated").fails("input 4 must be [2, 3, 1 or 2]");
        attention("delta").fails("input 5 must be");
        attention("linear")
            .absent()
            .input(wave(5, &[2, 3, 1]))
            .fails("input 4 does not belong");
        attention("linear")
            .input(wave(5, &[2, 1, 3, 2]))
            .fails("the state must be [2, 1, 2, 3]");
        let heads = |q, kv| {
            Case::new("LinearAttention")
                .int("q_num_heads", q)
                .int("kv_num_heads", kv)
                .input(wave(1, &[2, 3, 4]))
                .input(wave(2, &[2, 3, 3]))
                .input(wave(3, &[2, 3, 3]))
        };
        heads(0, 1).fails("q_num_heads must be positive");
        heads(3, 2).fails("cannot share");
        heads(3, 3).fails("of one size");
    }
}
