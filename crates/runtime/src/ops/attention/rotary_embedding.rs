//! RotaryEmbedding (opset 23, and com.microsoft): pairs of columns in each head are rotated by the
//! angle of their position (Su et al., 2021): `a cos - b sin`, `a sin + b cos`.
//!
//! X is \[batch, heads, length, size\], or \[batch, length, heads * size\]. The caches of cos and sin are
//! \[positions, rotated / 2\], or \[batch, length, rotated / 2\] where no positions are given. The pairs
//! are column `i` and `i + rotated / 2`, or neighbours if they are interleaved.

use burn_backend::{Backend, IntDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::part::{part, parts};
use crate::ops::samples::{Samples, paired_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct RotaryEmbedding {
    heads: usize,
    /// Columns of a head that are rotated; 0 is all.
    rotated: usize,
    interleaved: bool,
    /// Where cos, sin and the positions stand.
    inputs: [usize; 3],
    /// com.microsoft: one position may be where the sequence starts, and sizes follow from the caches.
    fused: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    rotary(node, [1, 2, 3], false)
}

pub(super) fn parse_fused<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    if node.attributes.int_or("is_packed_batching", 0)? != 0 {
        return Err(Fault::Unsupported("is_packed_batching".into()));
    }
    if node.attributes.float_or("scale", 1.0)? != 1.0 {
        return Err(Fault::Unsupported("a scale other than 1".into()));
    }
    rotary(node, [2, 3, 1], true)
}

fn rotary<B: Backend>(node: &Node, inputs: [usize; 3], fused: bool) -> Parsed<B> {
    let size = |name: &'static str| -> Result<usize, Fault> {
        let value = node.attributes.int_or(name, 0)?;
        usize::try_from(value).map_err(|_| Fault::shape(format!("attribute {name} is negative")))
    };
    Ok(Box::new(RotaryEmbedding {
        heads: size("num_heads")?,
        rotated: size("rotary_embedding_dim")?,
        interleaved: node.attributes.int_or("interleaved", 0)? != 0,
        inputs,
        fused,
    }))
}

/// How an input is rotated.
struct Plan {
    batch: usize,
    length: usize,
    /// X with 4 axes, of which the last is of one head.
    shape: [usize; 4],
    /// Which of them is the length.
    length_axis: usize,
    rotated: usize,
}

impl RotaryEmbedding {
    fn plan(&self, x: &[usize], cos: &[usize]) -> Result<Plan, Fault> {
        let angles = cos.last().copied().unwrap_or(0);
        let (shape, length_axis) = match *x {
            [batch, heads, length, size] => ([batch, heads, length, size], 2),
            [batch, length, hidden] => {
                let size = match self.heads {
                    0 if self.fused && self.rotated == 0 => angles.checked_mul(2),
                    0 => None,
                    heads => Some(hidden / heads),
                };
                let size = size.filter(|&size| size > 0 && hidden.is_multiple_of(size));
                let size = size.ok_or_else(|| {
                    Fault::shape(format!("{hidden} columns need num_heads that divides them"))
                })?;
                if self.heads > 0 && hidden / size != self.heads {
                    return Err(Fault::shape(format!(
                        "{hidden} columns do not make {} heads",
                        self.heads
                    )));
                }
                ([batch, length, hidden / size, size], 1)
            }
            _ => return Err(Fault::shape("the input must have 3 or 4 axes")),
        };
        let [batch, .., size] = shape;
        let rotated = if self.rotated == 0 {
            size
        } else {
            self.rotated
        };
        if rotated > size || !rotated.is_multiple_of(2) || rotated / 2 != angles || angles == 0 {
            return Err(Fault::shape(format!(
                "{angles} angles do not rotate {rotated} of {size} columns"
            )));
        }
        let length = if length_axis == 2 { shape[2] } else { shape[1] };
        match length {
            0 => Err(Fault::shape("the sequence is empty")),
            length => Ok(Plan {
                batch,
                length,
                shape,
                length_axis,
                rotated,
            }),
        }
    }

    fn check(&self, inputs: &Facts) -> Result<(), Fault> {
        let [cos, sin, positions] = self.inputs;
        let (x, cos, sin) = (inputs.float(0)?, inputs.float(cos)?, inputs.float(sin)?);
        let plan = self.plan(x, cos)?;
        if cos != sin {
            return Err(Fault::shape(format!(
                "cos is {cos:?} and sin {sin:?}; one shape is needed"
            )));
        }
        let rows = |size: usize| size == plan.batch || size == 1;
        let Some(positions) = inputs.get(positions).or(self.fused_positions(inputs)?) else {
            return match *cos {
                [batch, length, _] if rows(batch) && length == plan.length => Ok(()),
                _ => Err(Fault::shape(format!(
                    "cos is {cos:?}; without positions it must be for {} of {} steps",
                    plan.batch, plan.length
                ))),
            };
        };
        let &[known, _] = cos else {
            return Err(Fault::shape("with positions, cos must have 2 axes"));
        };
        let starts = match *positions.shape() {
            [1] if self.fused => true,
            [batch, length] if rows(batch) && length == plan.length => false,
            ref shape => {
                return Err(Fault::shape(format!(
                    "the positions {shape:?} do not fit {} of {} steps",
                    plan.batch, plan.length
                )));
            }
        };
        let more = if starts { plan.length - 1 } else { 0 };
        let inside = |&position: &i64| {
            let last = usize::try_from(position).ok();
            let last = last.and_then(|position| position.checked_add(more));
            last.is_some_and(|last| last < known)
        };
        let all = positions
            .known_ints()
            .is_none_or(|all| all.iter().all(inside));
        match all && !positions.is_float() && more < known {
            true => Ok(()),
            false => Err(Fault::shape(format!(
                "the positions lie outside the {known} of the caches"
            ))),
        }
    }

    /// com.microsoft always has positions.
    fn fused_positions<'f>(&self, inputs: &'f Facts) -> Result<Option<&'f Fact>, Fault> {
        let [_, _, positions] = self.inputs;
        match self.fused {
            true => inputs.any(positions).map(Some),
            false => Ok(None),
        }
    }

    /// cos or sin of each pair, which broadcasts to half of X.
    fn angles<B: Backend>(
        &self,
        cache: FloatTensor<B>,
        positions: Option<&FloatTensor<B>>,
        plan: &Plan,
    ) -> FloatTensor<B> {
        let size = plan.rotated / 2;
        let cache = match positions {
            Some(positions) => {
                let last = cache.shape().num_elements() / size - 1;
                let count = positions.shape().num_elements();
                let picks = B::float_reshape(positions.clone(), Shape::from([count]));
                let picks = B::float_clamp(picks, 0.0f32.into(), (last as f32).into());
                B::float_select(cache, 0, B::float_into_int(picks, IntDType::I32))
            }
            None => cache,
        };
        let batch = cache.shape().num_elements() / size / plan.length;
        let shape = match plan.length_axis {
            2 => [batch, 1, plan.length, size],
            _ => [batch, plan.length, 1, size],
        };
        B::float_reshape(cache, Shape::from(shape))
    }

    /// The two columns of each pair, and back.
    fn pairs<B: Backend>(&self, x: FloatTensor<B>) -> [FloatTensor<B>; 2] {
        if !self.interleaved {
            return parts::<B, 2>(x, 3);
        }
        let [a, b, c, size] = sizes(&x);
        let x = B::float_reshape(x, Shape::from([a, b, c, size / 2, 2]));
        parts::<B, 2>(x, 4).map(|x| B::float_reshape(x, Shape::from([a, b, c, size / 2])))
    }

    fn joined<B: Backend>(&self, pair: [FloatTensor<B>; 2]) -> FloatTensor<B> {
        if !self.interleaved {
            return B::float_cat(pair.to_vec(), 3);
        }
        let [a, b, c, half] = sizes(&pair[0]);
        let pair = pair.map(|x| B::float_reshape(x, Shape::from([a, b, c, half, 1])));
        let x = B::float_cat(pair.to_vec(), 4);
        B::float_reshape(x, Shape::from([a, b, c, half * 2]))
    }
}

fn sizes<T: TensorMetadata>(x: &T) -> [usize; 4] {
    let shape = x.shape();
    [0, 1, 2, 3].map(|axis| shape.iter().nth(axis).copied().unwrap_or(1))
}

impl<B: Backend> Operator<B> for RotaryEmbedding {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.check(inputs)?;
        Ok(vec![Fact::float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [cos, sin, positions] = self.inputs;
        let shape = inputs.shape(0)?;
        let plan = self.plan(&shape, &inputs.shape(cos)?)?;
        let mut positions = inputs.optional_tensor(positions)?;
        if let Some(start) = positions.as_ref().filter(|p| p.rank() == 1) {
            let steps = (0..plan.length).map(|i| i as f32).collect();
            let steps = inputs.upload(&[plan.length], steps);
            positions = Some(B::float_add(steps, start.clone()));
        }
        let cos = self.angles::<B>(inputs.tensor(cos)?, positions.as_ref(), &plan);
        let sin = self.angles::<B>(inputs.tensor(sin)?, positions.as_ref(), &plan);
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(plan.shape));
        let [.., size] = plan.shape;
        let [a, b] = self.pairs::<B>(part::<B>(x.clone(), 3, 0..plan.rotated));
        let product = |x: &FloatTensor<B>, y: &FloatTensor<B>| B::float_mul(x.clone(), y.clone());
        let pair = [
            B::float_sub(product(&a, &cos), product(&b, &sin)),
            B::float_add(product(&a, &sin), product(&b, &cos)),
        ];
        let mut out = self.joined::<B>(pair);
        if plan.rotated < size {
            let rest = part::<B>(x, 3, plan.rotated..size);
            out = B::float_cat(vec![out, rest], 3);
        }
        Ok(vec![B::float_reshape(out, Shape::from(shape))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let [cos, sin, positions] = self.inputs;
        let rank = |i: usize| inputs.get(i).map_or(0, |fact| fact.shape().len());
        let held = |i: usize| samples.get(i).copied().flatten().is_some();
        // Caches of two axes are by position; one position is for all samples.
        let paired: Vec<usize> = match rank(cos) {
            3 => vec![0, cos, sin, positions],
            _ if held(cos) || held(sin) => return None,
            _ => vec![0, positions],
        };
        if held(positions) && rank(positions) != 2 {
            return None;
        }
        paired_first(samples, inputs, &paired, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Operand, floats, ints, wave};

    /// cos or sin of two angles at four positions.
    fn cache(function: fn(f32) -> f32) -> Operand {
        let values: Vec<f32> = (0..8).map(|i| function(i as f32 * 0.5)).collect();
        floats(&[4, 2], &values)
    }

    fn fused(x: &[usize], positions: Operand) -> Case {
        let case = Case::new("RotaryEmbedding").domain("com.microsoft");
        case.input(wave(1, x))
            .constant(positions)
            .constant(cache(f32::cos))
            .constant(cache(f32::sin))
    }

    fn standard(x: &[usize]) -> Case {
        Case::new("RotaryEmbedding")
            .opset(23)
            .input(wave(1, x))
            .constant(cache(f32::cos))
            .constant(cache(f32::sin))
    }

    fn positions() -> Operand {
        ints(&[2, 3], &[0, 1, 2, 3, 2, 1])
    }

    // The expected values of all tests here are those of onnxruntime 1.32.

    #[test]
    fn halves() {
        let case = fused(&[1, 2, 3, 4], ints(&[1], &[1]));
        case.output_gives(
            0,
            &[1, 2, 3, 4],
            &[
                -0.240259, 0.418271, -0.14283, 0.596908, 0.246575, -0.224427, 0.662722, -0.300429,
                0.0884691, 0.49759, -0.265138, 0.453354, 0.653241, -0.489905, 0.323306, 0.160055,
                -0.340987, 0.475381, -0.156055, -0.199093, 0.654025, -0.0148747, 0.159298,
                -0.672981,
            ],
        );
        case.gradient_agrees();
        let case = standard(&[1, 2, 3, 4]).constant(ints(&[1, 3], &[1, 2, 3]));
        case.output_gives(
            0,
            &[1, 2, 3, 4],
            &[
                -0.240259, 0.418271, -0.14283, 0.596908, 0.246575, -0.224427, 0.662722, -0.300429,
                0.0884691, 0.49759, -0.265138, 0.453354, 0.653241, -0.489905, 0.323306, 0.160055,
                -0.340987, 0.475381, -0.156055, -0.199093, 0.654025, -0.0148747, 0.159298,
                -0.672981,
            ],
        );
    }

    #[test]
    fn neighbours() {
        for case in [
            fused(&[2, 3, 4], positions()),
            standard(&[2, 3, 4])
                .int("num_heads", 1)
                .constant(positions()),
            standard(&[2, 3, 4]).int("num_heads", 1).input(positions()),
        ] {
            let case = case.int("interleaved", 1);
            case.output_gives(
                0,
                &[2, 3, 4],
                &[
                    -0.25, 0.625, 0.289482, -0.269165, 0.270151, 0.420735, -0.409429, -0.472221,
                    0.620329, 0.14643, -0.0506679, 0.349904, -0.636385, -0.0355491, 0.526563,
                    -0.336685, 0.454649, 0.208073, -0.22562, 0.32457, -0.548057, -0.390844,
                    -0.641119, -0.205163,
                ],
            );
            case.gradient_agrees();
        }
    }

    #[test]
    fn a_part_of_each_head() {
        let case = fused(&[2, 3, 12], positions())
            .int("num_heads", 2)
            .int("rotary_embedding_dim", 4);
        case.output_gives(
            0,
            &[2, 3, 12],
            &[
                -0.25, 0.728274, 0.125, -0.0294525, 0.5, 0.0, -0.5, 0.628734, -0.125, -0.368704,
                0.25, -0.25, 0.653241, -0.489905, 0.323306, 0.160055, 0.0, -0.5, 0.728533,
                -0.258216, -0.0221373, -0.107003, -0.25, 0.625, -0.506667, 0.300429, -0.0944112,
                -0.224427, -0.5, 0.375, -0.175306, 0.650333, -0.217699, -0.173759, 0.625, 0.125,
                0.371247, -0.64362, -0.05292, 0.292837, 0.375, -0.125, 0.654025, -0.0148747,
                0.159298, -0.672981, 0.125, -0.375, 0.246575, -0.224427, 0.662722, -0.300429,
                -0.125, -0.625, -0.672348, 0.125477, -0.0327674, -0.249761, -0.375, 0.5, -0.315552,
                0.0893183, 0.202613, -0.50759, -0.625, 0.25, -0.240259, 0.418271, -0.14283,
                0.596908, 0.5, 0.0,
            ],
        );
        case.gradient_agrees();
    }

    #[test]
    fn faults() {
        let x = &[2, 3, 4];
        standard(x).constant(positions()).fails("need num_heads");
        let heads = |n| standard(x).int("num_heads", n);
        heads(1).fails("without positions");
        heads(3).constant(positions()).fails("do not make 3 heads");
        heads(2).constant(positions()).fails("do not rotate 2");
        heads(-1).fails("num_heads is negative");
        let at = |shape: &[usize], at: &[i64]| heads(1).constant(ints(shape, at));
        at(&[2, 3], &[0, 1, 2, 3, 4, 0]).fails("outside the 4");
        at(&[2, 3], &[0, 1, 2, 3, -1, 0]).fails("outside the 4");
        at(&[3], &[0, 1, 2]).fails("do not fit");
        fused(x, ints(&[1], &[2])).fails("outside the 4");
        fused(x, ints(&[1], &[i64::MAX])).fails("outside the 4");
        fused(x, positions())
            .int("is_packed_batching", 1)
            .fails("is_packed_batching");
        fused(x, positions()).float("scale", 2.0).fails("a scale");
        standard(&[2, 3]).fails("3 or 4 axes");
    }
}
