//! SVMClassifier: one score `sum(a_i K(v_i, x)) + rho` for each pair of classes, and the label of
//! most votes. With `prob_a` and `prob_b` the scores become probabilities of the classes (Platt's
//! sigmoids, coupled after Wu, Lin and Weng, "Probability estimates for multi-class classification
//! by pairwise coupling", 2004). Without support vectors the scores are linear, one a class.

use burn_backend::{
    Backend, FloatDType, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use super::coupling;
use super::labels::Labels;
use super::linear::Linear;
use super::matrix;
use super::post_transform::PostTransform;
use super::svm::Support;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

/// Most weights of the pairs of classes on the kernels.
const MAX_WEIGHTS: usize = 1 << 26;

struct SvmClassifier {
    labels: Labels,
    transform: PostTransform,
    kind: Kind,
}

enum Kind {
    Linear(Linear),
    Pairs {
        support: Support,
        /// Of the kernels, a target each pair of classes.
        linear: Linear,
        /// `prob_a` and `prob_b`.
        platt: Option<[Vec<f32>; 2]>,
    },
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let labels = Labels::parse(node, "classlabels_ints", "classlabels_strings")?;
    let floats = |name: &str| Ok::<_, Fault>(attributes.floats(name)?.unwrap_or_default());
    let (coefficients, rho) = (floats("coefficients")?, floats("rho")?);
    let counts = attributes.ints("vectors_per_class")?.unwrap_or_default();
    let counts: Vec<usize> = counts
        .iter()
        .map(|&count| usize::try_from(count).ok())
        .collect::<Option<_>>()
        .ok_or_else(|| Fault::shape("vectors_per_class has a negative entry"))?;
    let total = counts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    let total = total.ok_or_else(|| Fault::shape("vectors_per_class overflows"))?;
    let kind = if total > 0 {
        let pairs = pairs(&labels)?;
        let platt = [floats("prob_a")?, floats("prob_b")?];
        let platt = match platt {
            [[], []] => None,
            [a, b] if a.len() == pairs.len() && b.len() == a.len() => {
                Some([a.to_vec(), b.to_vec()])
            }
            _ => {
                return Err(Fault::shape(
                    "prob_a and prob_b are not one a pair of classes",
                ));
            }
        };
        if rho.len() != pairs.len() {
            return Err(Fault::shape("rho is not one a pair of classes"));
        }
        Kind::Pairs {
            support: Support::parse(node, total)?,
            linear: Linear {
                coefficients: weights(coefficients, &counts, total, &pairs)?,
                intercepts: rho.to_vec(),
            },
            platt,
        }
    } else {
        if labels.len() < 3 {
            let what = "an SVMClassifier of two classes without support vectors";
            return Err(Fault::Unsupported(what.into()));
        }
        let rho = rho
            .first()
            .ok_or_else(|| Fault::shape("attribute rho is missing"))?;
        Kind::Linear(Linear {
            coefficients: coefficients.to_vec(),
            intercepts: vec![*rho; labels.len()],
        })
    };
    let transform = PostTransform::parse(node)?;
    if matches!(kind, Kind::Pairs { platt: None, .. }) && labels.len() == 2 {
        transform.for_two()?;
    }
    Ok(Box::new(SvmClassifier {
        labels,
        transform,
        kind,
    }))
}

/// The pairs of classes, in order.
fn pairs(labels: &Labels) -> Result<Vec<[usize; 2]>, Fault> {
    let classes = labels.len();
    if !(2..=1024).contains(&classes) {
        return Err(Fault::shape(format!(
            "{classes} class labels are not 2 to 1024"
        )));
    }
    let pairs = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| [i, j]));
    Ok(pairs.collect())
}

/// The weight of each support vector in each pair's score, \[pairs, vectors\]: for pair (i, j) the
/// vectors of class i have the coefficients of row j - 1, those of class j the ones of row i.
fn weights(
    coefficients: &[f32],
    counts: &[usize],
    total: usize,
    pairs: &[[usize; 2]],
) -> Result<Vec<f32>, Fault> {
    let bad = || Fault::shape("coefficients and vectors_per_class do not fit the class labels");
    let classes = pairs.last().map_or(0, |[_, last]| last + 1);
    let rows: Vec<&[f32]> = coefficients.chunks_exact(total).collect();
    if counts.len() != classes
        || !coefficients.len().is_multiple_of(total)
        || rows.len() + 1 != classes
    {
        return Err(bad());
    }
    let size = count(&[pairs.len(), total])?;
    if size > MAX_WEIGHTS {
        let what = format!("{size} weights of pairs of classes");
        return Err(Fault::Unsupported(what));
    }
    let start = |class: usize| counts.iter().take(class).sum::<usize>();
    let mut weights = vec![0.0; size];
    for (row, &[i, j]) in weights.chunks_exact_mut(total).zip(pairs) {
        for (class, from) in [(i, j - 1), (j, i)] {
            let start = start(class);
            let end = start + counts.get(class).copied().unwrap_or(0);
            let from = rows.get(from).and_then(|row| row.get(start..end));
            let to = row.get_mut(start..end).ok_or_else(bad)?;
            to.copy_from_slice(from.ok_or_else(bad)?);
        }
    }
    Ok(weights)
}

impl SvmClassifier {
    fn columns(&self) -> usize {
        match (&self.kind, self.labels.len()) {
            (Kind::Pairs { linear, platt, .. }, classes) if platt.is_none() && classes > 2 => {
                linear.intercepts.len()
            }
            (_, classes) => classes,
        }
    }

    /// The label of most votes: in each pair class i has the vote where the score is above 0.
    fn vote<B: Backend>(&self, scores: FloatTensor<B>, device: &B::Device) -> FloatTensor<B> {
        let classes = self.labels.len();
        let pairs = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j)));
        // A vote for i is one that j, which has it otherwise, loses.
        let mut gains = Vec::new();
        let mut others = vec![0.0; classes];
        for (i, j) in pairs {
            let gain = |class| f32::from(u8::from(class == i)) - f32::from(u8::from(class == j));
            gains.extend((0..classes).map(gain));
            others
                .get_mut(j)
                .into_iter()
                .for_each(|votes| *votes += 1.0);
        }
        let data = |values: Vec<f32>, rows| {
            B::float_from_data(
                burn_backend::TensorData::new(values, [rows, classes]),
                device,
            )
        };
        let rows = gains.len() / classes;
        let bools = get_or_init_device_settings::<B>(&scores.device()).bool_dtype;
        let won = B::float_greater_elem(B::float_detach(scores), 0.0f32.into(), bools);
        let won = B::bool_into_float(won, FloatDType::F32);
        let votes = B::float_add(B::float_matmul(won, data(gains, rows)), data(others, 1));
        self.labels.top::<B>(votes, device)
    }
}

impl<B: Backend> Operator<B> for SvmClassifier {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [rows, columns] = matrix::rows_and_columns(inputs)?;
        match &self.kind {
            Kind::Linear(linear) => {
                linear.rows(inputs)?;
            }
            Kind::Pairs { support, .. } => matrix::check_columns(columns, support.features)?,
        }
        let scores = Fact::float(vec![rows, self.columns()]);
        Ok(vec![self.labels.fact(rows), scores])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let device = inputs.device;
        let (support, linear, platt) = match &self.kind {
            Kind::Linear(linear) => {
                let scores = linear.scores(&mut inputs)?;
                let labels = self.labels.top::<B>(scores.clone(), device);
                return Ok(vec![labels, self.transform.of::<B>(scores)]);
            }
            Kind::Pairs {
                support,
                linear,
                platt,
            } => (support, linear, platt),
        };
        let [rows, _] = matrix::of(&inputs.shape(0)?)?;
        let kernel = support.kernel(&mut inputs, rows)?;
        let pairs = linear.of(&inputs, kernel, [rows, support.count]);
        let labels = self.vote::<B>(pairs.clone(), device);
        let scores = match (platt, self.labels.len()) {
            (Some([a, b]), classes) => {
                let a = inputs.upload(&[1, a.len()], a.clone());
                let b = inputs.upload(&[1, b.len()], b.clone());
                let wins = B::float_neg(B::float_add(B::float_mul(pairs, a), b));
                let wins = B::float_clamp(B::sigmoid(wins), 1e-7f32.into(), (1.0f32 - 1e-7).into());
                self.transform.of::<B>(coupling::couple::<B>(wins, classes))
            }
            (None, 2) => self
                .transform
                .of_two::<B>(pairs, self.transform != PostTransform::None),
            (None, _) => self.transform.of::<B>(pairs),
        };
        Ok(vec![labels, scores])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        matrix::samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    fn case(labels: &[i64], post: &str) -> Case {
        Case::new("SVMClassifier")
            .domain("ai.onnx.ml")
            .outputs(2)
            .string("kernel_type", "RBF")
            .string("post_transform", post)
            .floats("kernel_params", &[0.5, 0.0, 2.0])
            .ints("classlabels_ints", labels)
            .input(floats(&[3, 2], &[0.5, -1.0, 1.5, 0.25, -0.75, 0.5]))
    }

    fn two(post: &str) -> Case {
        case(&[5, 7], post)
            .floats("rho", &[-0.13])
            .floats("coefficients", &[-0.06, -2.14, 1.64, -1.79])
            .floats(
                "support_vectors",
                &[-0.84, 0.5, -1.25, -1.06, -0.91, 0.55, 2.29, 0.04],
            )
            .ints("vectors_per_class", &[3, 1])
    }

    fn three(post: &str) -> Case {
        case(&[5, 7, 9], post)
            .floats("rho", &[0.54, 0.13, 0.03])
            .floats(
                "coefficients",
                &[
                    -1.86, -0.28, -0.35, -0.08, -0.63, -0.04, -0.48, -1.31, 0.88, 0.88, 1.71, 0.05,
                ],
            )
            .floats(
                "support_vectors",
                &[
                    -0.4, -0.55, -1.55, 0.98, -1.1, -1.19, -0.21, 1.49, 0.24, -1.02, -0.71, 0.63,
                ],
            )
            .ints("vectors_per_class", &[3, 2, 1])
    }

    #[test]
    fn samples() {
        two("NONE").keeps_samples(0, 3);
        three("SOFTMAX").keeps_samples(0, 3);
        let coupled = three("NONE").floats("prob_a", &[-1.0, -0.5, -0.25]);
        coupled
            .floats("prob_b", &[0.1, 0.2, 0.3])
            .keeps_samples(0, 3);
    }

    #[test]
    fn two_classes() {
        two("NONE").gives(&[3], &[7.0, 7.0, 5.0]);
        let plain = [
            0.627_341_9,
            -0.627_341_9,
            1.350_134_6,
            -1.350_134_6,
            -0.852_166_3,
            0.852_166_3,
        ];
        two("NONE").output_gives(1, &[3, 2], &plain);
        let logistic = [
            0.651_886_5,
            0.348_113_5,
            0.794_151_7,
            0.205_848_3,
            0.298_978_6,
            0.701_021_4,
        ];
        two("LOGISTIC").output_gives(1, &[3, 2], &logistic);
        let softmax = [
            1.627_341_9,
            -0.627_341_9,
            2.350_134_6,
            -1.350_134_6,
            0.147_833_7,
            0.852_166_3,
        ];
        two("SOFTMAX").output_gives(1, &[3, 2], &softmax);
        two("NONE").gradient_of_output_agrees(1);
        two("PROBIT").fails("PROBIT");
    }

    #[test]
    fn probabilities_of_two_classes() {
        let case = || {
            two("NONE")
                .floats("prob_a", &[-1.0])
                .floats("prob_b", &[0.1])
        };
        case().gives(&[3], &[7.0, 7.0, 5.0]);
        let expected = [
            0.325_778_28,
            0.674_221_7,
            0.189_933_54,
            0.810_066_5,
            0.679_650_5,
            0.320_349_45,
        ];
        case().output_gives(1, &[3, 2], &expected);
        case().gradient_of_output_agrees(1);
        two("NONE")
            .floats("prob_a", &[-1.0])
            .fails("prob_a and prob_b");
    }

    #[test]
    fn three_classes() {
        three("NONE").gives(&[3], &[7.0, 5.0, 7.0]);
        let plain = [
            -1.293_254,
            0.053_316_21,
            1.720_016_2,
            0.175_822_76,
            0.070_475_414,
            0.473_747_52,
            -0.892_169_2,
            -0.819_069_3,
            0.875_455_6,
        ];
        three("NONE").output_gives(1, &[3, 3], &plain);
        let case = |post| {
            three(post)
                .floats("prob_a", &[-1.0, -1.5, -0.5])
                .floats("prob_b", &[0.1, -0.2, 0.3])
        };
        let probabilities = [
            0.190_510_73,
            0.558_326_5,
            0.251_161_8,
            0.375_378_5,
            0.320_051,
            0.304_570_5,
            0.154_371_12,
            0.447_233_56,
            0.398_395_15,
        ];
        case("NONE").output_gives(1, &[3, 3], &probabilities);
        let logistic = [
            0.547_484_4,
            0.636_065_24,
            0.562_462_45,
            0.592_757_94,
            0.579_336_7,
            0.575_559_44,
            0.538_516_34,
            0.609_981_3,
            0.598_302,
        ];
        case("LOGISTIC").output_gives(1, &[3, 3], &logistic);
        case("NONE").gradient_of_output_agrees(1);
    }

    #[test]
    fn linear() {
        let linear = |labels: &[i64]| {
            case(labels, "NONE")
                .floats("rho", &[0.5])
                .floats("coefficients", &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0])
        };
        linear(&[5, 7, 9]).gives(&[3], &[5.0, 5.0, 7.0]);
        let scores = [1.0, -0.5, 1.0, 2.0, 0.75, -1.25, -0.25, 1.0, 0.75];
        linear(&[5, 7, 9]).output_gives(1, &[3, 3], &scores);
        linear(&[5, 7]).fails("two classes without support vectors");
    }

    #[test]
    fn faults() {
        let case = |counts: &[i64], rho: &[f32]| {
            case(&[5, 7], "NONE")
                .ints("vectors_per_class", counts)
                .floats("rho", rho)
                .floats("coefficients", &[1.0, 2.0])
                .floats("support_vectors", &[1.0, 2.0, 3.0, 4.0])
        };
        case(&[1, 1], &[0.0]).gives(&[3], &[5.0, 5.0, 5.0]);
        case(&[1, 2], &[0.0]).fails("which are not 3 vectors");
        case(&[2], &[0.0]).fails("do not fit the class labels");
        case(&[4], &[0.0]).fails("do not fit the class labels");
        case(&[1, -1], &[0.0]).fails("a negative entry");
        case(&[i64::MAX, i64::MAX], &[0.0]).fails("which are not");
        case(&[i64::MAX, i64::MAX, i64::MAX], &[0.0]).fails("overflows");
        case(&[1, 1], &[0.0, 1.0]).fails("rho is not one");
    }
}
