//! Tests of attacks on rows of tables: small targets whose answers are known, and the promises that every attack keeps.

use std::sync::atomic::AtomicBool;

use scoville_kernels::{Array, Device, Loss, Norm, divergence, head};
use scoville_targets::{
    ByFeatures, Error, Evaluation, Features, Gradients, Labels, Scores, TreeNode, Trees,
};

use crate::registry::{Access, EOT, rows};
use crate::{Constraints, Element, Goal, Problem, Success, parse};

/// Scores that are linear in a sample, or those of trees.
pub(crate) enum Small {
    /// A row a class.
    Linear(Vec<Vec<f32>>),
    Forest(Trees),
}

impl Small {
    pub fn score(&self, x: &[f32]) -> Vec<f32> {
        match self {
            Small::Linear(weights) => {
                let dot = |w: &Vec<f32>| w.iter().zip(x).map(|(w, x)| w * x).sum();
                weights.iter().map(dot).collect()
            }
            Small::Forest(trees) => {
                let mut scores = trees.base.clone();
                for &root in &trees.roots {
                    let mut at = root;
                    loop {
                        match &trees.nodes[at] {
                            TreeNode::Split {
                                feature,
                                threshold,
                                below,
                                above,
                                ..
                            } => {
                                at = if x[*feature] <= *threshold {
                                    *below
                                } else {
                                    *above
                                }
                            }
                            TreeNode::Leaf(weights) => {
                                weights.iter().for_each(|&(class, w)| scores[class] += w);
                                break;
                            }
                        }
                    }
                }
                scores
            }
        }
    }

    pub fn label(&self, x: &[f32]) -> u32 {
        let scores = self.score(x);
        let best =
            (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
        best.unwrap() as u32
    }

    fn width(&self) -> usize {
        match self {
            Small::Linear(weights) => weights[0].len(),
            Small::Forest(_) => 0,
        }
    }
}

impl Labels for Small {
    fn classes(&self) -> usize {
        match self {
            Small::Linear(weights) => weights.len(),
            Small::Forest(trees) => trees.base.len(),
        }
    }

    fn sample_shape(&self) -> &[usize] {
        &[7]
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        let y = Array::zeros(&Device::Cpu, x.rows(), 1)?;
        Ok(head(&self.scores(x)?, &y, Loss::Margin)?.predicted)
    }
}

impl Scores for Small {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        let values = x.to_vec()?;
        let scores = values.chunks(x.cols()).flat_map(|row| self.score(row));
        Ok(Array::from_vec(
            &Device::Cpu,
            x.rows(),
            self.classes(),
            scores.collect(),
        )?)
    }
}

impl Small {
    /// From the derivative by the scores to the one by `x`.
    fn pull(&self, by_scores: &Array, x: &Array) -> Result<Array, Error> {
        let mut gradient = Vec::new();
        for row in by_scores.to_vec()?.chunks(self.classes()) {
            match self {
                Small::Linear(weights) => gradient.extend(
                    (0..self.width())
                        .map(|j| row.iter().zip(weights).map(|(d, w)| d * w[j]).sum::<f32>()),
                ),
                Small::Forest(_) => gradient.extend(vec![0.0; x.cols()]),
            }
        }
        let (rows, cols) = (x.rows(), x.cols());
        Ok(Array::from_vec(&Device::Cpu, rows, cols, gradient)?)
    }
}

impl Gradients for Small {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        let head = head(&self.scores(x)?, y, loss)?;
        Ok(Evaluation {
            gradient: self.pull(&head.dlogits, x)?,
            loss: head.loss,
            predicted: head.predicted,
        })
    }

    fn inside(&self) -> Option<&dyn Features> {
        Some(self)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.pull(&divergence(&self.scores(x)?, &self.scores(from)?)?, x)
    }

    fn trees(&self) -> Option<&Trees> {
        match self {
            Small::Forest(trees) => Some(trees),
            Small::Linear(_) => None,
        }
    }
}

/// What lies inside are the scores.
impl Features for Small {
    fn features(&self, x: &Array) -> Result<Array, Error> {
        self.scores(x)
    }

    fn features_gradient(&self, x: &Array, by: ByFeatures<'_>) -> Result<Array, Error> {
        self.pull(&by(&self.scores(x)?)?, x)
    }
}

fn element(levels: u32, may_rise: bool, may_fall: bool, group: u32) -> Element {
    Element {
        levels,
        may_rise,
        may_fall,
        group,
    }
}

/// Two numbers, one in ten steps that only rises, an immutable one, a group of three.
pub(crate) fn mixed() -> Constraints {
    let elements = vec![
        element(0, true, true, 1),
        element(0, true, true, 1),
        element(10, true, false, 1),
        element(0, false, false, 1),
        element(1, true, true, 3),
        element(1, true, true, 0),
        element(1, true, true, 0),
    ];
    Constraints {
        importance: vec![0.5, 0.1, 0.3, 0.9, 0.2, 0.2, 0.2],
        elements,
    }
}

/// A valid row by its number.
pub(crate) fn sample(number: u32) -> Vec<f32> {
    let wave = |k: u32| (f64::from(number * 7 + k) * 0.77).sin() * 0.5 + 0.5;
    let mut row = vec![wave(0) as f32, wave(1) as f32];
    row.push(((wave(2) * 6.0).round() / 10.0) as f32);
    row.push(wave(3) as f32);
    row.extend((0..3).map(|k| f32::from(u8::from(k == number % 3))));
    row
}

/// Whether a row is what may become of `clean`, as a reader of the table would check it.
pub(crate) fn is_valid(clean: &[f32], x: &[f32]) -> bool {
    let step = f64::from(x[2]) * 10.0;
    (0.0..=1.0).contains(&x[0])
        && (0.0..=1.0).contains(&x[1])
        && (step - step.round()).abs() < 1e-6
        && (clean[2]..=1.0).contains(&x[2])
        && x[3] == clean[3]
        && x[4..].iter().all(|&v| v == 0.0 || v == 1.0)
        && x[4..].iter().sum::<f32>() == 1.0
}

pub(crate) struct Batch {
    pub ids: Vec<u32>,
    pub x: Vec<f32>,
    pub y: Vec<u32>,
}

/// Those rows as the target takes them.
pub(crate) fn batch(target: &Small, ids: impl Iterator<Item = u32>) -> Batch {
    let ids: Vec<u32> = ids.collect();
    let rows: Vec<Vec<f32>> = ids.iter().map(|&id| sample(id)).collect();
    Batch {
        y: rows.iter().map(|row| target.label(row)).collect(),
        x: rows.concat(),
        ids,
    }
}

pub(crate) fn attacked(
    attack: &str,
    target: &Small,
    batch: &Batch,
    (norm, eps): (Norm, f64),
    constraints: Option<&Constraints>,
) -> Vec<Success> {
    let problem = Problem {
        ids: &batch.ids,
        x: &batch.x,
        y: &batch.y,
        norm,
        eps,
        bounds: (0.0, 1.0),
        seed: 3,
        goal: Goal::Any,
        constraints,
        stop: &AtomicBool::new(false),
    };
    parse(attack).unwrap().run(target, None, &problem).unwrap()
}

fn linear() -> Small {
    Small::Linear(vec![
        vec![0.9, -0.4, 0.5, 2.0, 1.0, -0.5, -0.5],
        vec![-0.9, 0.6, 1.5, 0.5, -0.5, 1.0, 0.25],
    ])
}

#[test]
fn every_attack_and_parameter_is_explained() {
    let says = |what: &str, text: &str, length: std::ops::RangeInclusive<usize>| {
        assert!(length.contains(&text.chars().count()), "{what}: {text}");
        assert!(
            !text.ends_with('.') && text.trim() == text,
            "{what}: {text}"
        );
    };
    for row in rows() {
        says(row.name, row.summary, 10..=110);
        for parameter in row.parameters.iter().chain([&EOT]) {
            let what = format!("{}:{}", row.name, parameter.name);
            says(&what, parameter.about, 3..=90);
        }
    }
}

/// Few queries and steps: what is looked at is whether what comes out is valid.
fn short(name: &str) -> String {
    let row = rows().iter().find(|row| row.name == name).unwrap();
    let words = row.parameters.iter().filter_map(|p| match p.name {
        "steps" => Some(":steps=30"),
        "queries" => Some(":queries=200"),
        "targets" => Some(":targets=1"),
        _ => None,
    });
    [name].into_iter().chain(words).collect()
}

#[test]
fn whatever_an_attack_finds_is_valid() {
    let (target, constraints) = (linear(), mixed());
    let whole = batch(&target, 0..24);
    let mut most = 0;
    for row in rows().iter().filter(|row| row.access != Access::Trees) {
        // They take images.
        if matches!(row.name, "spatial" | "wasserstein" | "wasserstein-square")
            || row.least_classes > 2
        {
            continue;
        }
        for &norm in row.budget.norms() {
            for eps in [0.15, 1.0, 3.0] {
                if norm == Norm::Linf && eps > 1.0 {
                    continue;
                }
                let attack = short(row.name);
                let found = attacked(&attack, &target, &whole, (norm, eps), Some(&constraints));
                for success in &found {
                    let clean = &whole.x[success.row * 7..][..7];
                    let what = format!("{attack} in {norm} at {eps}: {clean:?} {:?}", success.x);
                    assert!(is_valid(clean, &success.x), "{what}");
                    assert!(
                        constraints.distance(norm, clean, &success.x) <= eps,
                        "{what}"
                    );
                    assert_ne!(target.label(&success.x), whole.y[success.row], "{what}");
                }
                most = most.max(found.len());
            }
        }
    }
    assert!(most > 16, "{most}");
}

/// A step of the rising feature, or another category, is all that it takes: attacks must find those, too.
#[test]
fn steps_and_categories_are_found() {
    let target = Small::Linear(vec![
        vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
        vec![0.0, 0.0, 1.5, 1.0, 0.0, 1.5, 0.0],
    ]);
    let whole = batch(&target, (0..24).map(|k| 3 * k));
    let of_first = whole.y.iter().filter(|&&y| y == 0).count();
    assert!(of_first > 10);
    for (attack, norm, eps) in [
        ("pgd", Norm::L2, 1.5),
        ("apgd-ce", Norm::L2, 1.5),
        ("apgd-ce", Norm::L1, 2.5),
        ("fmn", Norm::L2, 1.5),
        ("fmn", Norm::L0, 2.0),
        ("lowprofool", Norm::L2, 1.5),
        ("ddn", Norm::L2, 1.5),
        ("hop-skip-jump", Norm::L2, 1.5),
        ("square", Norm::L2, 1.5),
        ("pointwise", Norm::L0, 2.0),
    ] {
        let found = attacked(attack, &target, &whole, (norm, eps), Some(&mixed()));
        let of_first = whole.y.iter().filter(|&&y| y == 0).count();
        let hit = found.iter().filter(|s| whole.y[s.row] == 0).count();
        assert!(
            2 * hit > of_first,
            "{attack} in {norm}: {hit} of {of_first}"
        );
    }
}

#[test]
fn constraints_do_not_depend_on_the_batch() {
    let (target, constraints) = (linear(), mixed());
    let whole = batch(&target, 0..16);
    let part = batch(&target, 5..9);
    for (attack, norm) in [
        ("apgd-ce", Norm::L2),
        ("square:queries=300", Norm::Linf),
        ("hop-skip-jump", Norm::L2),
        ("lowprofool", Norm::L2),
    ] {
        let run = |batch: &Batch| {
            let found = attacked(attack, &target, batch, (norm, 0.5), Some(&constraints));
            let named = found.into_iter().map(|s| (batch.ids[s.row], s.x));
            named.collect::<Vec<_>>()
        };
        let mut all = run(&whole);
        all.retain(|(id, _)| part.ids.contains(id));
        assert_eq!(all, run(&part), "{attack}");
    }
}

/// The weighted length keeps what tells most of the class from changing, where another feature does as well.
#[test]
fn lowprofool_spares_what_tells_of_the_class() {
    let target = Small::Linear(vec![
        vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        vec![-1.0, -1.0, 0.0, 1.6, 0.0, 0.0, 0.0],
    ]);
    let whole = batch(&target, 0..24);
    let weighing = Constraints {
        importance: vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ..mixed()
    };
    let moved = |attack: &str, constraints: &Constraints| {
        let found = attacked(attack, &target, &whole, (Norm::L2, 5.0), Some(constraints));
        assert!(found.len() > 12, "{}", found.len());
        let moves = found.iter().map(|s| (s.x[0] - whole.x[s.row * 7]).abs());
        moves.sum::<f32>() / found.len() as f32
    };
    let attack = "lowprofool:searches=4:step=0.03";
    let (spared, free) = (moved(attack, &weighing), moved(attack, &mixed()));
    assert!(spared < 0.5 * free, "{spared} {free}");
}
