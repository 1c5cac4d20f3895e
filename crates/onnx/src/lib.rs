//! Untrusted ONNX bytes to a validated [`Graph`].
//!
//! [`load`] and [`parse`] promise: no panic, no unsafe code, no file read outside the model's folder, and memory of at most
//! 64 MiB + 4 times the size of the files. What comes back is a plain inference graph: every value defined once and
//! before its use, every constant decoded, of the right length and without NaN, model-local functions inlined. Which
//! operators can run is not decided here. `docs/security.md` lists the limits.
#![forbid(unsafe_code)]

mod attributes;
mod budget;
mod decode;
mod dtype;
mod elements;
pub mod encode;
mod error;
mod external;
mod finite;
mod graph;
mod inline;
mod nibbles;
mod nodes;
mod opsets;
mod order;
mod outputs;
mod ports;
mod proto;
mod region;
mod scope;
mod sniff;
mod sparse;
mod tensor;
mod validate;
mod wire;

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

pub use attributes::{Attribute, Attributes};
pub use dtype::DType;
pub use error::Error;
pub use graph::{Dim, Graph, Node, Port};
pub use tensor::{Data, Tensor};

use external::External;

/// Largest model file: protobuf itself ends at 2 GiB.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// Reads and validates the model at `path`. External data are looked for beside it, and nowhere else.
pub fn load(path: &Path) -> Result<Graph, Error> {
    let failed = |source| Error::Read {
        path: path.into(),
        source,
    };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    if metadata.len() > MAX_FILE_BYTES {
        let what = path.display().to_string();
        return Err(Error::TooLarge {
            what,
            bytes: metadata.len(),
            limit: MAX_FILE_BYTES,
        });
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut holes = region::Holes::of(&metadata);
    let bytes = region::read(&mut file, metadata.len(), &mut holes)
        .map_err(|why| failed(std::io::Error::other(why)))?;
    parse(bytes.into(), Some(path.parent().unwrap_or(Path::new(""))))
}

/// Validates a model in memory. `dir` is where its external data lie; without it such data are refused.
pub fn parse(bytes: Bytes, dir: Option<&Path>) -> Result<Graph, Error> {
    sniff::refuse_other_formats(&bytes)?;
    let mut budget = wire::check(&bytes)?;
    let sha256 = sha256(&bytes);
    let model = proto::Model::decode(bytes).map_err(not_decoded)?;
    validate::model(model, &mut External::new(dir), &mut budget, sha256)
}

/// Decodes one serialised `TensorProto`, as data sets of the ONNX test suite store them, and its name. Unlike weights it may
/// hold NaN and infinities. External data are refused.
pub fn parse_tensor(bytes: Bytes) -> Result<(String, Tensor), Error> {
    wire::check_tensor(&bytes)?;
    let mut tensor = proto::Tensor::decode(bytes).map_err(not_decoded)?;
    let name = std::mem::take(&mut tensor.name);
    let tensor = decode::tensor(tensor, &name, &mut External::new(None))?;
    Ok((name, tensor))
}

fn not_decoded(error: prost::DecodeError) -> Error {
    Error::Decode {
        reason: error.to_string(),
    }
}

/// SHA-256 of `bytes`, in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_a_hole_is_not_read_to_its_end() {
        let path = std::env::temp_dir().join(format!("scoville-hole-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        file.set_len(MAX_FILE_BYTES).unwrap();
        let error = load(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("mostly a hole"), "{error}");
    }

    #[test]
    fn paths_that_are_no_model() {
        let missing = load(Path::new("no/such/model.onnx")).unwrap_err();
        assert!(matches!(missing, Error::Read { .. }), "{missing}");
        assert!(
            missing.to_string().contains("no/such/model.onnx"),
            "{missing}"
        );
        let folder = load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(matches!(folder, Error::NotAFile { .. }), "{folder}");
    }
}
