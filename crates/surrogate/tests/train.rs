//! Surrogates of the built-in model, and of a rule on features.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Array, Device};
use scoville_runtime::{Model, ModelSpec};
use scoville_surrogate::{Error, Oracle, Recipe, Surrogate, Valid, takes_samples, train};
use scoville_targets::{Labels, Metered, ModelTarget};

/// Every point may be asked about.
const ANY: Valid<'static> = &|_, _| ();
const MODEL: &[u8] = include_bytes!("../../../datasets/glyphs-cnn.onnx");

fn glyphs() -> Metered<ModelTarget> {
    let graph = scoville_onnx::parse(MODEL.into(), None).unwrap();
    let spec = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        ..ModelSpec::default()
    };
    Metered::new(ModelTarget::new(
        Model::load(graph, &spec, &Device::Cpu).unwrap(),
    ))
}

fn samples(n: usize) -> Vec<f32> {
    generate(Split::Train, n, 0).read_all().unwrap()
}

fn recipe(queries: usize, seed: u64) -> Recipe {
    Recipe {
        steps: 300,
        ..Recipe::new(queries, seed)
    }
}

fn of(oracle: Oracle<'_>, x: &[f32], queries: usize, seed: u64) -> Result<Surrogate, Error> {
    train(
        oracle,
        x,
        ANY,
        recipe(queries, seed),
        &AtomicBool::new(false),
    )
}

#[test]
fn the_budget_is_kept_and_the_surrogate_is_like_the_target() {
    let x = samples(400);
    // More samples than queries; more queries than samples.
    for (rows, queries, synthetic) in [(400, 250, 0), (120, 250, 130)] {
        let target = glyphs();
        let surrogate = of(Oracle::Labels(&target), &x[..rows * 784], queries, 0).unwrap();
        assert_eq!(
            (surrogate.figures.queries, target.spent().queries),
            (queries, queries as u64)
        );
        assert_eq!(
            (surrogate.figures.held_out, surrogate.figures.synthetic),
            (rows.min(queries) / 5, synthetic)
        );
        assert_eq!(
            surrogate.figures.samples + surrogate.figures.synthetic + surrogate.figures.held_out,
            queries
        );
        assert_eq!(target.spent().gradients, 0);
        // Chance is a tenth.
        assert!(
            2 * surrogate.figures.agreed >= surrogate.figures.held_out,
            "{} of {}",
            surrogate.figures.agreed,
            surrogate.figures.held_out
        );
        let model = Model::load(surrogate.graph, &surrogate.input, &Device::Cpu).unwrap();
        assert_eq!(
            (model.classes(), model.sample_shape()),
            (10, [1, 28, 28].as_slice())
        );
    }
}

#[test]
fn seed_and_answers_decide() {
    let (x, target) = (samples(40), glyphs());
    let digest = |oracle, seed| {
        let few = Recipe {
            steps: 20,
            ..recipe(60, seed)
        };
        let surrogate = train(oracle, &x, ANY, few, &AtomicBool::new(false));
        surrogate.unwrap().graph.sha256
    };
    let labels = digest(Oracle::Labels(&target), 1);
    assert_eq!(labels, digest(Oracle::Labels(&target), 1));
    assert_ne!(labels, digest(Oracle::Labels(&target), 2));
    assert_ne!(labels, digest(Oracle::Scores(&target), 1));
}

/// Class 1 where the first feature is larger than the second; nothing but labels, and none where the third is above 0.9.
struct Rule;

impl Labels for Rule {
    fn classes(&self) -> usize {
        2
    }

    fn sample_shape(&self) -> &[usize] {
        &[3]
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, scoville_targets::Error> {
        let x = x.to_vec()?;
        let rows = x.chunks_exact(3);
        let label = |row: &[f32]| match row[2] > 0.9 {
            true => u32::MAX,
            false => u32::from(row[0] > row[1]),
        };
        let labels: Vec<u32> = rows.map(label).collect();
        Ok(Array::from_vec(&Device::Cpu, labels.len(), 1, labels)?)
    }
}

fn features(n: usize, third: f32) -> Vec<f32> {
    let row = |i: usize| [(i as f32 * 0.37).fract(), (i as f32 * 0.71).fract(), third];
    (0..n).flat_map(row).collect()
}

#[test]
fn features_are_learnt_by_a_dense_network() {
    let surrogate = of(Oracle::Labels(&Rule), &features(200, 0.5), 300, 0).unwrap();
    assert!(!surrogate.convolutional);
    assert_eq!(surrogate.figures.held_out, 40);
    assert!(
        surrogate.figures.agreed >= 36,
        "{}",
        surrogate.figures.agreed
    );
}

#[test]
fn what_cannot_be_learnt_from_is_said() {
    let few = of(Oracle::Labels(&Rule), &features(4, 0.5), 300, 0);
    assert!(matches!(few, Err(Error::TooFew(4))));
    let silent = of(Oracle::Labels(&Rule), &features(50, 1.0), 300, 0);
    assert!(matches!(silent, Err(Error::NotFinite(40, 40))));
    let stopped = train(
        Oracle::Labels(&Rule),
        &features(50, 0.5),
        ANY,
        recipe(50, 0),
        &AtomicBool::new(true),
    );
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

/// Refuses, in training, features that are no tenths.
#[test]
fn points_are_made_valid_before_the_target_is_asked() {
    let tenths: Vec<f32> = features(40, 0.5)
        .iter()
        .map(|v| (10.0 * v).round() / 10.0)
        .collect();
    let whole = |v: f32| (10.0 * v - (10.0 * v).round()).abs() < 1e-4;
    let asked = Asked(Mutex::default());
    let valid = |_: &[f32], point: &mut [f32]| {
        point
            .iter_mut()
            .for_each(|v| *v = (10.0 * *v).round() / 10.0);
    };
    train(
        Oracle::Labels(&asked),
        &tenths,
        &valid,
        recipe(80, 0),
        &AtomicBool::new(false),
    )
    .unwrap();
    let asked = asked.0.into_inner().unwrap();
    assert_eq!(asked.len(), 3 * 80);
    assert!(asked.into_iter().all(whole));
}

/// [`Rule`], and all that it was asked about.
struct Asked(Mutex<Vec<f32>>);

impl Labels for Asked {
    fn classes(&self) -> usize {
        2
    }

    fn sample_shape(&self) -> &[usize] {
        &[3]
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, scoville_targets::Error> {
        self.0.lock().unwrap().extend(x.to_vec()?);
        Rule.labels(x)
    }
}

#[test]
fn the_file_takes_samples_as_they_are() {
    for (oracle, x) in [
        (Oracle::Labels(&glyphs()), samples(40)),
        (Oracle::Labels(&Rule), features(40, 0.5)),
    ] {
        let surrogate = train(
            oracle,
            &x,
            ANY,
            Recipe {
                steps: 20,
                ..recipe(40, 0)
            },
            &AtomicBool::new(false),
        )
        .unwrap();
        let file = scoville_onnx::parse(surrogate.file().into(), None).unwrap();
        assert!(takes_samples(&file));
        let plain = ModelSpec {
            shape: surrogate.input.shape.clone(),
            ..ModelSpec::default()
        };
        let cols = x.len() / 40;
        let x = Array::from_vec(&Device::Cpu, 40, cols, x).unwrap();
        let logits = |graph, spec: &ModelSpec| {
            let model = Model::load(graph, spec, &Device::Cpu).unwrap();
            model.logits(&x).unwrap().to_vec().unwrap()
        };
        let input = surrogate.input.clone();
        let pairs = logits(surrogate.graph, &input)
            .into_iter()
            .zip(logits(file, &plain));
        for (own, filed) in pairs {
            assert!(
                (own - filed).abs() < 1e-3 * own.abs().max(1.0),
                "{own} {filed}"
            );
        }
    }
}
