//! The shared test data: third-party models, their inputs and onnxruntime's outputs.

use std::io::Read;
use std::path::{Path, PathBuf};

use scoville_kernels::{Array, Device};
use scoville_runtime::{Error, Model, ModelSpec};

/// The folder of shared data, beside the project; `None` (and a word about it) where there is none.
pub fn data() -> Option<PathBuf> {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if shared.exists() {
        return Some(shared.join("data"));
    }
    println!("skipped: no ../shared");
    None
}

pub fn load(path: &Path, spec: &ModelSpec, device: &Device) -> Result<Model, Error> {
    Model::load(scoville_onnx::load(path)?, spec, device)
}

pub fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Little-endian f32, without a header.
pub fn floats(path: &Path) -> Vec<f32> {
    bytes(path)
        .as_chunks::<4>()
        .0
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect()
}

/// Each model with one input and onnxruntime's outputs for it.
pub fn reference_pairs(data: &Path, device: &Device) -> Vec<(String, Model, Vec<f32>, Vec<f32>)> {
    let folder = data.join("onnx/reference_io");
    let pair = |[name, input]: [String; 2]| {
        let (kind, dims) = input.split_once(") [").expect("tensor(TYPE) [N, ..]");
        let dims = dims.trim_end_matches(']').split(", ").skip(1);
        let spec = ModelSpec {
            shape: Some(dims.map(|size| size.parse().expect("a size")).collect()),
            ..ModelSpec::raw()
        };
        let file = folder.join(format!("{name}.in.bin"));
        let x = match kind {
            "tensor(float" => floats(&file),
            "tensor(uint8" => bytes(&file).into_iter().map(f32::from).collect(),
            other => panic!("{name}: {other}"),
        };
        let expected = floats(&folder.join(format!("{name}.out0.f32")));
        let model = load(&data.join(format!("onnx/{name}.onnx")), &spec, device).expect(&name);
        (name, model, x, expected)
    };
    csv(&folder.join("index.csv"), ["model", "input"])
        .into_iter()
        .map(pair)
        .collect()
}

/// The rows of a CSV file with a header, as the fields named.
pub fn csv<const N: usize>(path: &Path, fields: [&str; N]) -> Vec<[String; N]> {
    let text = String::from_utf8(bytes(path)).expect("UTF-8");
    let mut lines = text.lines().map(split);
    let header = lines.next().expect("a header");
    let columns = fields.map(|field| header.iter().position(|name| name == field).expect(field));
    lines
        .map(|row| columns.map(|column| row[column].clone()))
        .collect()
}

/// The fields of a CSV line; commas inside quotes belong to their field.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().expect("one field").push(character),
        }
    }
    fields
}

/// Images and labels of a CIFAR-10 binary file, pixels in [0, 1].
pub fn cifar(path: &Path, count: usize) -> (Vec<f32>, Vec<u8>) {
    let mut bytes = bytes(path);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(&*bytes)
            .read_to_end(&mut out)
            .expect("gzip");
        bytes = out;
    }
    let records = bytes.as_chunks::<3073>().0.iter().take(count);
    let pixels = records
        .clone()
        .flat_map(|record| record[1..].iter().map(|&p| scaled(p)));
    (pixels.collect(), records.map(|record| record[0]).collect())
}

/// The first MNIST test images and labels, pixels in [0, 1].
pub fn mnist(data: &Path, count: usize) -> (Vec<f32>, Vec<u8>) {
    let idx = |name: &str, header: usize| {
        let mut out = Vec::new();
        let compressed = bytes(&data.join("mnist").join(name));
        flate2::read::GzDecoder::new(&*compressed)
            .read_to_end(&mut out)
            .expect("gzip");
        out.split_off(header)
    };
    let images = idx("t10k-images-idx3-ubyte.gz", 16);
    let labels = idx("t10k-labels-idx1-ubyte.gz", 8);
    (
        images[..784 * count].iter().map(|&p| scaled(p)).collect(),
        labels[..count].to_vec(),
    )
}

fn scaled(pixel: u8) -> f32 {
    f32::from(pixel) / 255.0
}

/// Runs `rows` samples through `run`.
pub fn run(model: &Model, x: &[f32], run: fn(&Model, &Array) -> Result<Array, Error>) -> Vec<f32> {
    let rows = x.len() / model.sample_len();
    let x = Array::from_vec(model.device(), rows, model.sample_len(), x.to_vec()).expect("fits");
    run(model, &x).expect("runs").to_vec().expect("reads back")
}

/// The largest difference, relative to the largest value expected.
pub fn relative_error(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let scale = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |max, value| max.max(value.abs()));
    let differences = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // Not `max`, which would pass over NaN.
    differences.fold(0.0, |max: f32, d| if d <= max { max } else { d }) / scale
}
