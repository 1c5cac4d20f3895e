//! Searches of small graphs whose truth is known.

use std::time::{Duration, Instant};

use scoville_falsify::{Answer, Error, Falsifier, Settings};
use scoville_kernels::Device;
use scoville_onnx::{Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};
use scoville_vnnlib::{Case, Constraint, Property};

const INPUTS: usize = 12;

/// `outputs` outputs of `INPUTS` inputs: these operators after a Gemm of `weights`.
fn graph(weights: Vec<f32>, after: &[&str]) -> Graph {
    let outputs = weights.len() / INPUTS;
    let port = |name: &str, size: usize| Port {
        name: name.into(),
        dtype: DType::F32,
        shape: Some(vec![Dim::Named("n".into()), Dim::Fixed(size)]),
    };
    let node = |op: &str, inputs: &[&str], output: &str| Node {
        name: output.into(),
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|&input| input.into()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(output, []),
    };
    let names: Vec<String> = (0..=after.len()).map(|i| format!("v{i}")).collect();
    let mut nodes = vec![node("Gemm", &["x", "w"], "v0")];
    nodes.extend(
        after
            .iter()
            .zip(names.windows(2))
            .map(|(op, pair)| node(op, &[&pair[0]], &pair[1])),
    );
    let tensor = Tensor {
        shape: vec![INPUTS, outputs],
        data: Data::F32(weights),
    };
    Graph {
        name: "small".into(),
        opsets: [(String::new(), 17)].into(),
        inputs: vec![port("x", INPUTS)],
        outputs: vec![port(&names[after.len()], outputs)],
        nodes,
        constants: [("w".into(), tensor)].into(),
        ..Graph::default()
    }
}

/// Output 0 is the sum of the inputs with alternating signs, output 1 is 0.
fn alternating() -> Vec<f32> {
    (0..INPUTS)
        .flat_map(|i| [if i % 2 == 0 { 1.0 } else { -1.0 }, 0.0])
        .collect()
}

/// Whether output 0 reaches `bound` in a box of half-width `eps` about 0.1.
fn reaches(bound: f64, eps: f64) -> Property {
    Property {
        inputs: INPUTS,
        outputs: 2,
        cases: vec![Case {
            lower: vec![0.1 - eps; INPUTS],
            upper: vec![0.1 + eps; INPUTS],
            any: vec![vec![Constraint {
                terms: vec![(0, 1.0)],
                bound,
            }]],
        }],
    }
}

fn search(graph: Graph, property: &Property) -> Answer {
    let falsifier = Falsifier::load(graph, &Device::Cpu).unwrap();
    falsifier.search(property, &Settings::default()).unwrap()
}

#[test]
fn the_only_corner_is_found_and_nothing_beyond_it() {
    // The largest value in the box is 12 * 0.25 = 3.
    let inside = reaches(2.99, 0.25);
    let found = search(graph(alternating(), &[]), &inside).found.unwrap();
    assert!(inside.cases[0].contains(&found.point));
    assert!(found.outputs[0] >= 2.99);

    let beyond = search(graph(alternating(), &[]), &reaches(3.001, 0.25));
    assert_eq!(beyond.found, None);
    assert!(
        beyond
            .margin
            .is_some_and(|margin| (-0.01..0.0).contains(&margin)),
        "{beyond:?}"
    );
    assert!(beyond.gradients > 1000 && beyond.queries > 500);
}

#[test]
fn the_exported_softmax_is_what_counts() {
    // The logits reach 3, the softmax's outputs only 1.
    let answer = search(graph(alternating(), &["Softmax"]), &reaches(1.5, 0.25));
    assert_eq!(answer.found, None);
    let tenths = search(graph(alternating(), &["Softmax"]), &reaches(0.94, 0.25));
    assert!(
        tenths
            .found
            .is_some_and(|found| (0.94..=1.0).contains(&found.outputs[0]))
    );
}

#[test]
fn signs_are_passed_straight_through() {
    // A sign of each input: all twelve must be on their side, which is one corner's neighbourhood of 4096.
    let mut signs = graph(alternating(), &[]);
    let mut sign = signs.nodes[0].clone();
    (sign.op, sign.inputs, sign.outputs) = ("Sign".into(), vec!["x".into()], vec!["s".into()]);
    signs.nodes[0].inputs[0] = "s".into();
    signs.nodes.insert(0, sign);
    let found = search(signs.clone(), &reaches(11.5, 0.2)).found.unwrap();
    assert_eq!(found.outputs[0], 12.0);
    assert_eq!(search(signs, &reaches(12.5, 0.2)).found, None);
}

#[test]
fn random_search_finds_where_no_gradient_passes() {
    let answer = search(graph(alternating(), &["Round"]), &reaches(2.5, 0.25));
    assert!(answer.found.is_some_and(|found| found.outputs[0] == 3.0));
}

#[test]
fn of_several_cases_the_right_one_is_named() {
    let mut property = reaches(2.99, 0.1);
    property.cases.extend(reaches(2.99, 0.25).cases);
    assert_eq!(
        search(graph(alternating(), &[]), &property)
            .found
            .unwrap()
            .case,
        1
    );
}

#[test]
fn the_seed_decides_and_time_ends() {
    let falsifier = Falsifier::load(graph(alternating(), &[]), &Device::Cpu).unwrap();
    let run = |seed| {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        falsifier
            .search(&reaches(2.0, 0.25), &settings)
            .unwrap()
            .found
            .unwrap()
            .point
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let settings = Settings {
        timeout: Some(Duration::ZERO),
        ..Settings::default()
    };
    let started = Instant::now();
    let answer = falsifier.search(&reaches(9.0, 0.25), &settings).unwrap();
    assert_eq!((answer.found, answer.gradients), (None, 0));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn restarts_are_what_is_spent() {
    let falsifier = Falsifier::load(graph(alternating(), &[]), &Device::Cpu).unwrap();
    let spent = |restarts| {
        let settings = Settings {
            restarts,
            ..Settings::default()
        };
        falsifier
            .search(&reaches(9.0, 0.25), &settings)
            .unwrap()
            .gradients
    };
    assert_eq!([0, 1, 3].map(spent), [320, 320 + 3840, 320 + 3 * 3840]);
}

#[test]
fn a_property_of_another_model_is_refused() {
    let falsifier = Falsifier::load(graph(alternating(), &[]), &Device::Cpu).unwrap();
    let mut property = reaches(1.0, 0.25);
    property.outputs = 3;
    let error = falsifier
        .search(&property, &Settings::default())
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Mismatch {
            outputs: 3,
            model_outputs: 2,
            ..
        }
    ));
}

#[test]
fn a_box_between_two_floats_is_told() {
    let mut property = reaches(2.99, 0.25);
    let mut between = property.cases[0].clone();
    (between.lower[0], between.upper[0]) = (0.1, 0.1);
    property.cases.push(between);
    let answer = search(graph(alternating(), &[]), &property);
    assert_eq!((answer.empty, answer.found.map(|f| f.case)), (1, Some(0)));
    property.cases.remove(0);
    let answer = search(graph(alternating(), &[]), &property);
    assert_eq!((answer.empty, answer.margin, answer.queries), (1, None, 0));
}
