//! A classifier's head: from logits to the loss an attack maximises, its gradient, the margin and
//! the predicted class, in one pass over a batch.
//!
//! For a row of logits `z` with label `y`, and `z_(1) >= z_(2) >= ...` its sorted logits:
//! - cross-entropy `-log softmax(z)_y` (Goodfellow et al. 2015);
//! - margin `max_{j != y} z_j - z_y` (Carlini and Wagner 2017);
//! - DLR, the difference of logits ratio, `-(z_y - max_{j != y} z_j) / (z_(1) - z_(3) + 1e-12)`
//!   (Croce and Hein 2020), which does not change when the logits are shifted or scaled;
//! - towards a target t: margin `z_t - z_y`, and DLR
//!   `-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2 + 1e-12)`.
//!
//! Cross-entropy keeps a confident row's gradient: the label's is computed as the sum of the other
//! classes' probabilities and not as `p_y - 1`, which rounds to zero.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

/// The loss to be maximised: larger is closer to misclassification, as any class or as a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    CrossEntropy,
    Margin,
    /// Needs at least three classes.
    Dlr,
    TargetedMargin,
    /// Needs at least four classes.
    TargetedDlr,
}

impl Loss {
    /// Whether labels come with a target: n x 2 and not n x 1.
    pub fn is_targeted(self) -> bool {
        matches!(self, Loss::TargetedMargin | Loss::TargetedDlr)
    }

    /// The fewest classes that it is defined for.
    pub const fn least_classes(self) -> usize {
        match self {
            Loss::TargetedDlr => 4,
            Loss::Dlr => 3,
            Loss::CrossEntropy | Loss::Margin | Loss::TargetedMargin => 2,
        }
    }
}

/// What [`head`] gives for `n` rows of `c` logits.
#[derive(Debug)]
pub struct Head {
    /// n x 1: the loss; `f32::MIN` in an invalid row, so that no attack gains by it.
    pub loss: Array,
    /// n x 1: `z_y - max_{j != y} z_j`, negative when misclassified; `f32::MAX` in an invalid row.
    pub margin: Array,
    /// n x 1: the lowest class among those with the largest logit; [`INVALID`] in an invalid row.
    pub predicted: Array<u32>,
    /// n x c: the loss's gradient with respect to the row's logits; zero in an invalid row.
    pub dlogits: Array,
}

/// The predicted class of a row with Inf or NaN among its logits, or a label or target beyond
/// the classes.
pub const INVALID: u32 = u32::MAX;

/// Fewer are not worth a second thread.
const MIN_LOGITS: usize = 1 << 14;

const SHADER: Shader = shader!("head");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    classes: u32,
    labels_cols: u32,
    loss: u32,
}

/// Loss, margin, prediction and gradient of each row of `logits` (n x c, c >= 2) with its label
/// (n x 1) or, for a targeted loss, its label and target (n x 2).
pub fn head(logits: &Array, labels: &Array<u32>, loss: Loss) -> Result<Head, Error> {
    let (rows, classes) = (logits.rows(), logits.cols());
    let labels_cols = 1 + usize::from(loss.is_targeted());
    labels.expect_shape("head", "labels", rows, labels_cols)?;
    let least = loss.least_classes();
    if classes < least {
        let expected = format!("at least {least} classes for {loss:?}");
        return Err(Error::Shape {
            kernel: "head",
            expected,
            got: format!("{classes}"),
        });
    }
    let device = logits.device();
    let mut head = Head {
        loss: Array::uninit(&device, rows, 1)?,
        margin: Array::uninit(&device, rows, 1)?,
        predicted: Array::uninit(&device, rows, 1)?,
        dlogits: Array::uninit(&device, rows, classes)?,
    };
    match &device {
        Device::Cpu => twin(logits, labels, loss, &mut head)?,
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                classes: classes as u32,
                labels_cols: labels_cols as u32,
                loss: loss as u32,
            };
            let arrays = [
                logits.buffer("head", gpu)?,
                labels.buffer("head", gpu)?,
                head.loss.buffer("head", gpu)?,
                head.margin.buffer("head", gpu)?,
                head.predicted.buffer("head", gpu)?,
                head.dlogits.buffer("head", gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(head)
}

fn twin(logits: &Array, labels: &Array<u32>, loss: Loss, head: &mut Head) -> Result<(), Error> {
    let (classes, labels_cols) = (logits.cols(), labels.cols());
    let (logits, labels) = (logits.host("head")?, labels.host("head")?);
    let rows = logits
        .par_chunks(classes)
        .zip(labels.par_chunks(labels_cols))
        .zip(head.dlogits.host_mut("head")?.par_chunks_mut(classes));
    let outputs = head
        .loss
        .host_mut("head")?
        .par_iter_mut()
        .zip(head.margin.host_mut("head")?)
        .zip(head.predicted.host_mut("head")?);
    let share = (MIN_LOGITS / classes).max(1);
    rows.zip(outputs).with_min_len(share).for_each(
        |(((z, labels), dz), ((row_loss, margin), predicted))| {
            (*row_loss, *margin, *predicted) = row(z, labels, loss, dz);
        },
    );
    Ok(())
}

/// One row: (loss, margin, predicted), and the gradient into `dz`.
fn row(z: &[f32], labels: &[u32], loss: Loss, dz: &mut [f32]) -> (f32, f32, u32) {
    dz.fill(0.0);
    let beyond = labels.iter().any(|&label| label as usize >= z.len());
    if beyond || z.iter().any(|z| !z.is_finite()) {
        return (f32::MIN, f32::MAX, INVALID);
    }
    let [first, second, third, fourth] = top4(z);
    let (y, target) = (labels[0] as usize, labels[labels.len() - 1] as usize);
    let rival = if first == y { second } else { first };
    let lead = z[y] - z[rival];
    let loss = match loss {
        Loss::CrossEntropy => cross_entropy(z, y, first, dz),
        Loss::Margin => difference(z, y, rival, dz),
        Loss::TargetedMargin => difference(z, y, target, dz),
        Loss::Dlr => ratio(z, (y, rival), (first, [third, third]), dz),
        Loss::TargetedDlr => ratio(z, (y, target), (first, [third, fourth]), dz),
    };
    (loss, lead, first as u32)
}

fn difference(z: &[f32], y: usize, rival: usize, dz: &mut [f32]) -> f32 {
    dz[y] -= 1.0;
    dz[rival] += 1.0;
    z[rival] - z[y]
}

/// `-(z_y - z_rival)` over the distance of the first class to the mean of two others.
fn ratio(
    z: &[f32],
    (y, rival): (usize, usize),
    (first, others): (usize, [usize; 2]),
    dz: &mut [f32],
) -> f32 {
    let spread = z[first] - 0.5 * (z[others[0]] + z[others[1]]) + 1e-12;
    let ratio = (z[y] - z[rival]) / spread;
    dz[y] -= 1.0 / spread;
    dz[rival] += 1.0 / spread;
    dz[first] += ratio / spread;
    others
        .iter()
        .for_each(|&other| dz[other] -= 0.5 * ratio / spread);
    -ratio
}

/// The classes of the four largest logits, the lower class first among equals; where there are
/// fewer, the last stands for the missing.
fn top4(z: &[f32]) -> [usize; 4] {
    let (mut top, mut known) = ([0; 4], 0);
    for (j, &value) in z.iter().enumerate() {
        let place = top[..known].iter().take_while(|&&i| z[i] >= value).count();
        if place < 4 {
            top[place..].rotate_right(1);
            top[place] = j;
            known = (known + 1).min(4);
        }
    }
    let last = top[known - 1];
    top[known..].fill(last);
    top
}

fn cross_entropy(z: &[f32], y: usize, first: usize, dz: &mut [f32]) -> f32 {
    let peak = z[first];
    let mut others = 0.0;
    for (j, (&z, dz)) in z.iter().zip(dz.iter_mut()).enumerate() {
        *dz = (z - peak).exp();
        if j != y {
            others += *dz;
        }
    }
    let total = dz[y] + others;
    dz[y] = -others;
    dz.iter_mut().for_each(|dz| *dz /= total);
    if y == first {
        others.ln_1p()
    } else {
        total.ln() + (peak - z[y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const LOSSES: [Loss; 5] = [
        Loss::CrossEntropy,
        Loss::Margin,
        Loss::Dlr,
        Loss::TargetedMargin,
        Loss::TargetedDlr,
    ];

    /// A label a row, and a target where the loss has one.
    fn labels(random: &mut Random, rows: usize, classes: usize, loss: Loss) -> Vec<u32> {
        let cols = 1 + usize::from(loss.is_targeted());
        (0..rows * cols)
            .map(|_| random.below(classes) as u32)
            .collect()
    }

    fn on(device: &Device, z: &[f32], y: &[u32], loss: Loss) -> Head {
        let cols = 1 + usize::from(loss.is_targeted());
        let (rows, classes) = (y.len() / cols, z.len() * cols / y.len());
        let z = Array::from_vec(device, rows, classes, z.to_vec()).unwrap();
        let y = Array::from_vec(device, rows, cols, y.to_vec()).unwrap();
        head(&z, &y, loss).unwrap()
    }

    /// The loss by its definition, in f64, with nothing shared with the code above.
    fn naive(z: &[f64], labels: &[u32], loss: Loss) -> f64 {
        let (y, target) = (labels[0] as usize, labels[labels.len() - 1] as usize);
        let mut sorted = z.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let others = z
            .iter()
            .enumerate()
            .filter(|&(j, _)| j != y)
            .map(|(_, &z)| z);
        let lead = z[y] - others.fold(f64::MIN, f64::max);
        match loss {
            Loss::CrossEntropy => z.iter().map(|other| (other - z[y]).exp()).sum::<f64>().ln(),
            Loss::Margin => -lead,
            Loss::Dlr => -lead / (sorted[0] - sorted[2] + 1e-12),
            Loss::TargetedMargin => z[target] - z[y],
            Loss::TargetedDlr => {
                (z[target] - z[y]) / (sorted[0] - (sorted[2] + sorted[3]) / 2.0 + 1e-12)
            }
        }
    }

    #[test]
    fn the_twin_is_the_formula_and_its_derivative() {
        let mut random = Random::new(3);
        for case in 0..300 {
            let (rows, classes) = (1 + random.below(6), 4 + random.below(12));
            let loss = LOSSES[case % 5];
            let z = random.floats(rows * classes, -6.0, 6.0);
            let y = labels(&mut random, rows, classes, loss);
            let head = on(&Device::Cpu, &z, &y, loss);
            let (losses, gradient) = (head.loss.to_vec().unwrap(), head.dlogits.to_vec().unwrap());
            for row in 0..rows {
                let at = row * classes..(row + 1) * classes;
                let z: Vec<f64> = z[at.clone()].iter().map(|&z| f64::from(z)).collect();
                let label = &y[row * (y.len() / rows)..(row + 1) * (y.len() / rows)];
                assert_close(
                    "loss",
                    &[losses[row]],
                    &[naive(&z, label, loss) as f32],
                    1e-5,
                );
                for (j, got) in gradient[at].iter().enumerate() {
                    let nudged = |by: f64| {
                        let mut z = z.clone();
                        z[j] += by;
                        naive(&z, label, loss)
                    };
                    let slope = (nudged(1e-7) - nudged(-1e-7)) / 2e-7;
                    assert_close("gradient", &[*got], &[slope as f32], 1e-3);
                }
            }
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(4);
        for (case, (rows, classes)) in testing::shapes(5).into_iter().enumerate() {
            let (loss, classes) = (LOSSES[case % 5], classes.max(4));
            let reach = [1.0, 10.0, 100.0][case % 7 % 3];
            let z = random.floats(rows * classes, -reach, reach);
            let y = labels(&mut random, rows, classes, loss);
            let (got, expected) = (on(&gpu, &z, &y, loss), on(&Device::Cpu, &z, &y, loss));
            let compare = |what: &str, got: &Array, expected: &Array| {
                let what = format!("{what} of {loss:?}, {rows} x {classes}");
                assert_close(
                    &what,
                    &got.to_vec().unwrap(),
                    &expected.to_vec().unwrap(),
                    2e-5,
                );
            };
            compare("loss", &got.loss, &expected.loss);
            compare("margin", &got.margin, &expected.margin);
            compare("dlogits", &got.dlogits, &expected.dlogits);
            assert_eq!(
                got.predicted.to_vec().unwrap(),
                expected.predicted.to_vec().unwrap()
            );
        }
    }

    #[test]
    fn rows_that_are_no_numbers_are_invalid_and_gain_nothing() {
        for device in testing::devices() {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
                for loss in LOSSES {
                    let z = [1.0, 2.0, 3.0, 0.0, 1.0, bad, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0];
                    let labels: &[u32] = match loss.is_targeted() {
                        true => &[2, 0, 0, 1, 1, 9],
                        false => &[2, 0, 9],
                    };
                    let head = on(&device, &z, labels, loss);
                    assert_eq!(head.predicted.to_vec().unwrap(), [2, INVALID, INVALID]);
                    assert_eq!(head.loss.to_vec().unwrap()[1..], [f32::MIN; 2]);
                    assert_eq!(head.margin.to_vec().unwrap(), [1.0, f32::MAX, f32::MAX]);
                    assert_eq!(head.dlogits.to_vec().unwrap()[4..], [0.0; 8]);
                }
            }
        }
    }

    #[test]
    fn a_confident_row_keeps_its_loss_and_gradient_and_ties_go_to_the_lowest_class() {
        for device in testing::devices() {
            let head = on(
                &device,
                &[30.0, 0.0, 0.0, 0.0, 5.0, 5.0],
                &[0, 0],
                Loss::CrossEntropy,
            );
            let tiny = 2.0 * (-30.0_f32).exp();
            let (loss, gradient) = (head.loss.to_vec().unwrap(), head.dlogits.to_vec().unwrap());
            assert!(
                (loss[0] / tiny - 1.0).abs() < 1e-5,
                "{device:?}: {}",
                loss[0]
            );
            assert!(
                (gradient[0] / -tiny - 1.0).abs() < 1e-5,
                "{device:?}: {}",
                gradient[0]
            );
            assert_eq!(head.predicted.to_vec().unwrap(), [0, 1]);
        }
    }

    #[test]
    fn shapes_that_make_no_sense_are_refused() {
        let logits = Array::zeros(&Device::Cpu, 2, 2).unwrap();
        let labels = Array::zeros(&Device::Cpu, 2, 1).unwrap();
        assert!(head(&logits, &labels, Loss::CrossEntropy).is_ok());
        assert!(matches!(
            head(&logits, &labels, Loss::Dlr),
            Err(Error::Shape { .. })
        ));
        let pairs = Array::zeros(&Device::Cpu, 2, 2).unwrap();
        assert!(head(&logits, &pairs, Loss::TargetedMargin).is_ok());
        assert!(head(&logits, &pairs, Loss::TargetedDlr).is_err());
        assert!(head(&logits, &labels, Loss::TargetedMargin).is_err());
        let labels = Array::zeros(&Device::Cpu, 3, 1).unwrap();
        assert!(matches!(
            head(&logits, &labels, Loss::Margin),
            Err(Error::Shape { .. })
        ));
    }
}
