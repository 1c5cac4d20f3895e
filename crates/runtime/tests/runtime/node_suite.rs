//! The ONNX node suite (PyPI wheel `onnx==1.22.0`): every case whose operators we claim.
//!
//! A case passes as the suite's own runner has it: relative error 1e-3, or what the output's type can
//! hold. Each is run with its floats computed and its integers known before the run (where that is
//! refused, with everything known), and once more with its integers computed too, as a model's own
//! are; the second run may be refused, but not wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scoville_onnx::{DType, Data, Graph, Tensor};
use scoville_runtime::{Error, Feed, evaluate, operators};

use crate::excluded::EXCLUDED;

pub fn suite() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/onnx-1.22.0/node");
    let path = std::env::var_os("SCOVILLE_NODE_SUITE").map_or(default, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no ONNX node suite; tests/fetch-node-suite brings it");
    None
}

enum Outcome {
    Passed,
    /// Operators that we do not claim.
    Unsupported(Vec<String>),
    Failed(String),
}

#[test]
fn every_claimed_case() {
    let Some(suite) = suite() else { return };
    let only = std::env::var("SCOVILLE_NODE_CASES").unwrap_or_default();
    let (mut passed, mut excluded) = (0, 0);
    let mut unsupported: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = std::fs::read_dir(&suite)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    for case in &cases {
        let name = case.file_name().expect("a name").to_string_lossy();
        if !name.contains(&only) {
            continue;
        }
        let reason = EXCLUDED.iter().find(|(pattern, _)| matches(pattern, &name));
        if std::env::var_os("SHOWDIFF").is_some() {
            eprintln!("CASE {name}");
        }
        match (outcome(case), reason) {
            (Outcome::Passed, None) => passed += 1,
            (Outcome::Passed, Some(_)) => wrong.push(format!("{name}: excluded, but it passes")),
            (Outcome::Unsupported(ops), _) => {
                for op in ops {
                    *unsupported.entry(op).or_default() += 1;
                }
            }
            (Outcome::Failed(_), Some(_)) => excluded += 1,
            (Outcome::Failed(why), None) => wrong.push(format!("{name}: {why}")),
        }
    }
    let claimed = passed + excluded + wrong.len();
    println!(
        "ONNX node suite: {passed} passed / {claimed} claimed ({excluded} excluded) / {} in the suite",
        cases.len()
    );
    let list: Vec<String> = unsupported
        .iter()
        .map(|(op, n)| format!("{op} {n}"))
        .collect();
    println!(
        "{} operators are claimed; not claimed are, with their cases: {}",
        operators().len(),
        list.join(", ")
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(!only.is_empty() || passed > 0);
}

/// Whether `name` is `pattern`, in which a final `*` stands for any rest.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn outcome(case: &Path) -> Outcome {
    let graph = match scoville_onnx::load(&case.join("model.onnx")) {
        Ok(graph) => graph,
        Err(
            error @ (scoville_onnx::Error::NotATensor { .. }
            | scoville_onnx::Error::UnsupportedType { .. }),
        ) => {
            let types = match error {
                scoville_onnx::Error::NotATensor { kind, .. } => kind.to_owned(),
                scoville_onnx::Error::UnsupportedType { dtype, .. } => dtype,
                error => error.to_string(),
            };
            return Outcome::Unsupported(vec![types]);
        }
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    for set in 0.. {
        let folder = case.join(format!("test_data_set_{set}"));
        if !folder.exists() {
            break;
        }
        // Floats that must be known, such as scales, are refused; then only the first is computed.
        let outcome = match run(&graph, &folder, Feed::Floats) {
            Err(Error::Node { .. }) => run(&graph, &folder, Feed::First),
            outcome => outcome,
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(why)) => return Outcome::Failed(why),
            Err(Error::UnsupportedOperators(ops)) => {
                return Outcome::Unsupported(ops.into_iter().map(|op| op.op).collect());
            }
            // Some operators need what a real graph has as a constant.
            Err(error) => match run(&graph, &folder, Feed::Nothing) {
                Ok(None) => continue,
                Ok(Some(why)) => return Outcome::Failed(why),
                Err(_) => return Outcome::Failed(error.to_string()),
            },
        }
        if let Ok(Some(why)) = run(&graph, &folder, Feed::Numbers) {
            return Outcome::Failed(format!("with integers computed: {why}"));
        }
    }
    Outcome::Passed
}

/// What is wrong with the outputs, if anything.
fn run(graph: &Graph, folder: &Path, feed: Feed) -> Result<Option<String>, Error> {
    let inputs = tensors(folder, "input")?;
    let expected = tensors(folder, "output")?;
    let ports = graph.inputs.iter().map(|port| port.name.clone());
    let inputs: BTreeMap<String, Tensor> = ports.zip(inputs).collect();
    let outputs = evaluate(graph.clone(), &inputs, feed)?;
    if outputs.len() != expected.len() {
        return Ok(Some(format!("{} outputs", outputs.len())));
    }
    let mut differences = outputs.iter().zip(&expected).enumerate();
    Ok(differences.find_map(|(i, (got, expected))| {
        difference(got, expected).map(|why| format!("output {i}: {why}"))
    }))
}

pub fn tensors(folder: &Path, what: &str) -> Result<Vec<Tensor>, Error> {
    let path = |i: usize| folder.join(format!("{what}_{i}.pb"));
    (0..)
        .map(path)
        .take_while(|path| path.exists())
        .map(|path| {
            let bytes = std::fs::read(path).expect("reads");
            Ok(scoville_onnx::parse_tensor(bytes.into())?.1)
        })
        .collect()
}

fn difference(got: &Tensor, expected: &Tensor) -> Option<String> {
    if got.shape != expected.shape {
        return Some(format!("{:?} instead of {:?}", got.shape, expected.shape));
    }
    if let (Data::String(got), Data::String(expected)) = (&got.data, &expected.data) {
        return (got != expected).then(|| format!("{got:?} instead of {expected:?}"));
    }
    let tolerance = match expected.dtype() {
        DType::BF16 => 8e-3,
        DType::F16 | DType::F32 | DType::F64 => 1e-3,
        _ => 0.0,
    };
    let kind = |dtype| match dtype {
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => "floats",
        DType::Bool => "booleans",
        _ => "integers",
    };
    if kind(got.dtype()) != kind(expected.dtype()) {
        return Some(format!("{} instead of {}", got.dtype(), expected.dtype()));
    }
    let (got, expected) = (numbers(got), numbers(expected));
    let close = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-7 + tolerance * b.abs()
    };
    if std::env::var_os("SHOWDIFF").is_some() {
        let d = got
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        eprintln!("DIFF {d:.3e}");
    }
    let bad = got.iter().zip(&expected).position(|pair| !close(pair))?;
    Some(format!(
        "{} instead of {} at {bad}",
        got[bad], expected[bad]
    ))
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    if let Some(values) = tensor.to_f32() {
        return values.iter().map(|&v| v.into()).collect();
    }
    if let Some(values) = tensor.to_i64() {
        return values.iter().map(|&v| v as f64).collect();
    }
    match &tensor.data {
        Data::F64(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|&b| f64::from(u8::from(b))).collect(),
        Data::U64(values) => values.iter().map(|&v| v as f64).collect(),
        other => panic!("{} is no number", other.dtype()),
    }
}
