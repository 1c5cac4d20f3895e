//! Running the binary, crafting models, and finding the shared data.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use scoville_onnx::{Attributes, DType, Data, Dim, Graph, Node, Port, Tensor, encode};
use serde_json::Value;

/// A folder that is removed when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("scoville-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scoville"));
    command.args(args);
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("SCOVILLE_"));
    variables.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

pub fn scoville(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The events of a run, parsed; fails where a line is not JSON.
pub fn events(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// Those of one kind.
pub fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["event"] == kind).collect()
}

/// The `technique.scored` event of a technique.
pub fn scored<'a>(events: &'a [Value], technique: &str) -> &'a Value {
    let all = of_kind(events, "technique.scored");
    all.into_iter()
        .find(|e| e["technique"] == technique)
        .expect("the technique is scored")
}

/// `../shared`, or `None` with a word where there is none. A file missing inside it fails the test that reads it.
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no ../shared");
    None
}

/// A linear classifier of 4 features into 3 classes as ONNX, changed by `change` before it is encoded.
pub fn linear_model(change: impl FnOnce(&mut Graph)) -> Vec<u8> {
    let weights = [
        1.0, -0.5, 0.25, 0.0, 0.5, -1.0, 1.5, 0.1, -0.2, 0.3, 0.7, 0.9,
    ]
    .to_vec();
    let tensor = |shape: &[usize], values| Tensor {
        shape: shape.to_vec(),
        data: Data::F32(values),
    };
    let port = |name: &str, cols: usize| Port {
        name: name.into(),
        dtype: DType::F32,
        shape: Some(vec![Dim::Named("n".into()), Dim::Fixed(cols)]),
    };
    let mut graph = Graph {
        name: "linear".into(),
        producer: "test".into(),
        opsets: [(String::new(), 17)].into(),
        inputs: vec![port("x", 4)],
        outputs: vec![port("y", 3)],
        nodes: vec![node("Gemm", &["x", "w", "b"], "y")],
        constants: [
            ("w".into(), tensor(&[4, 3], weights)),
            ("b".into(), tensor(&[3], vec![0.0; 3])),
        ]
        .into(),
        dropped_outputs: Vec::new(),
        sha256: String::new(),
    };
    change(&mut graph);
    encode::to_bytes(&graph)
}

pub fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        name: format!("{op} to {output}"),
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|&i| i.into()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(op, []),
    }
}

/// `n` samples of 4 features for [`linear_model`], and labels that it gets right about as often as not.
pub fn linear_data(scratch: &Scratch, n: usize) -> String {
    let values: Vec<u8> = (0..n * 4)
        .flat_map(|i| ((i as f32 * 0.7).sin() * 0.5 + 0.5).to_le_bytes())
        .collect();
    let labels: String = (0..n).map(|i| format!("{}\n", i % 3)).collect();
    let (x, y) = (scratch.file("x.f32", values), scratch.file("y.csv", labels));
    format!("f32:{x},{y}")
}
