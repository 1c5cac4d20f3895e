//! What can be wrong with a model file: what, where, how to mend.

use std::io;
use std::path::PathBuf;

/// Why a model was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file; give the path of an .onnx file", path.display())]
    NotAFile { path: PathBuf },
    #[error(
        "{what} has {bytes} bytes, more than the limit of {limit}; use a smaller model, or store large weights as external data"
    )]
    TooLarge {
        what: String,
        bytes: u64,
        limit: u64,
    },
    #[error("the model file is empty; export or download it again")]
    Empty,
    #[error("this is {format}, not an ONNX model; {advice}")]
    NotOnnx {
        format: &'static str,
        advice: &'static str,
    },
    #[error(
        "the file ends inside the field at byte {offset}: it is truncated; export or download it again"
    )]
    Truncated { offset: usize },
    #[error("not a valid ONNX file: {what} at byte {offset}; export or download it again")]
    Malformed { offset: usize, what: &'static str },
    #[error("not a valid ONNX file: {reason}; export or download it again")]
    Decode { reason: String },
    #[error(
        "this file of {bytes} bytes would take more than {limit} bytes of memory, which no sound export does; do not trust it, or store its tensors as raw_data"
    )]
    Amplification { bytes: usize, limit: usize },
    #[error(
        "subgraphs are nested more than {limit} deep at byte {offset}; flatten the control flow before exporting"
    )]
    Nesting { offset: usize, limit: usize },

    #[error(
        "the model has no graph; export it again with `torch.onnx.export`, tf2onnx or skl2onnx"
    )]
    NoGraph,
    #[error("the graph has no nodes, so it computes nothing; export the model again")]
    NoNodes,
    #[error("the graph has no outputs; name the outputs when exporting")]
    NoOutputs,
    #[error(
        "the graph has {count} nodes, more than the limit of {limit}; simplify it, for example with onnxsim"
    )]
    TooManyNodes { count: usize, limit: usize },
    #[error(
        "the model names no opset version for domain {}, which its nodes use; set opset_import when exporting",
        quote(domain)
    )]
    MissingOpset { domain: String },
    #[error(
        "domain {} is imported twice, at versions {first} and {second}; keep one",
        quote(domain)
    )]
    OpsetConflict {
        domain: String,
        first: i64,
        second: i64,
    },
    #[error(
        "opset {version} is not supported (supported: {min} to {max}); convert the model with `onnx.version_converter.convert_version`"
    )]
    Opset { version: i64, min: i64, max: i64 },
    #[error("model-local function {}: {why}", quote(function))]
    Function { function: String, why: String },
    #[error("node {} has no operator type; export the model again", quote(node))]
    NoOperator { node: String },

    #[error(
        "value {} is defined more than once; give each value its own name",
        quote(value)
    )]
    Duplicate { value: String },
    #[error(
        "{} without a name; every input, output and initialiser needs one",
        what
    )]
    Unnamed { what: &'static str },
    #[error(
        "node {} reads {}, which nothing defines; export the model again",
        quote(node),
        quote(value)
    )]
    UndefinedInput { node: String, value: String },
    #[error(
        "the graph's output {} is defined by no node; export the model again",
        quote(value)
    )]
    UndefinedOutput { value: String },
    #[error(
        "the output {} of a subgraph is not defined in it; return an outer value through an Identity node",
        quote(value)
    )]
    OuterOutput { value: String },
    #[error(
        "node {} depends on its own output: the graph has a cycle; unroll the loop before exporting",
        quote(node)
    )]
    Cycle { node: String },

    #[error(
        "{} has the {kind} type; only plain tensors are supported: export without it (skl2onnx: `options={{\"zipmap\": False}}`)",
        quote(value)
    )]
    NotATensor { value: String, kind: &'static str },
    #[error(
        "{} has element type {dtype}, which is not supported (supported: {})",
        quote(value),
        crate::DType::names()
    )]
    UnsupportedType { value: String, dtype: String },
    #[error("{} has shape {dims:?}: {why}", quote(value))]
    Dims {
        value: String,
        dims: Vec<i64>,
        why: &'static str,
    },
    #[error("sparse tensor {}: {why}; store it as a dense tensor", quote(tensor))]
    Sparse { tensor: String, why: &'static str },
    #[error("tensor {} is segmented; store it in one piece", quote(tensor))]
    Segmented { tensor: String },
    #[error(
        "tensor {} should hold {expected} but holds {found}; export the model again",
        quote(tensor)
    )]
    DataLength {
        tensor: String,
        expected: String,
        found: String,
    },
    #[error(
        "element {index} of tensor {} is not a valid {dtype}; export the model again",
        quote(tensor)
    )]
    BadElement {
        tensor: String,
        index: usize,
        dtype: crate::DType,
    },
    #[error(
        "weights of tensor {} are not finite: {count} {kind}, first at element {index}; training diverged or the file is damaged: restore an earlier checkpoint",
        quote(tensor)
    )]
    NotFinite {
        tensor: String,
        kind: &'static str,
        count: usize,
        index: usize,
    },
    #[error(
        "tensor {} lies in external data {}: {why}",
        quote(tensor),
        quote(location)
    )]
    External {
        tensor: String,
        location: String,
        why: String,
    },

    #[error("node {}, attribute {}: {why}", quote(node), quote(attribute))]
    BadAttribute {
        node: String,
        attribute: String,
        why: String,
    },
    #[error(
        "node {}, attribute {} is {found}, but {expected} is needed",
        quote(node),
        quote(attribute)
    )]
    AttributeType {
        node: String,
        attribute: String,
        expected: &'static str,
        found: &'static str,
    },
}

/// A name from the file, safe to print: control characters escaped, at most 120 characters.
pub(crate) fn quote(name: &str) -> String {
    match name.char_indices().nth(120) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_file_are_escaped_and_cut() {
        let value = format!("\u{1b}[31m\n{}", "é".repeat(1000));
        let message = Error::Duplicate { value }.to_string();
        assert!(message.contains("\\u{1b}[31m\\n"), "{message}");
        assert!(
            !message.contains('\u{1b}') && message.chars().count() < 250,
            "{message}"
        );
    }
}
