//! Other model formats, told by their first bytes, so that the user learns how to get to ONNX.

use crate::error::Error;
use crate::wire;

const PICKLE: &str = "unpickling runs whatever code the file holds, so Scoville never does it: load the model where you trust it and export it, \
     in PyTorch with `torch.onnx.export(model, example_input, \"model.onnx\")`, in scikit-learn with `skl2onnx.to_onnx`";
const TORCH: &str = "if it is a PyTorch checkpoint it holds a pickle, which can run code, so Scoville does not open it: load it where you trust it and \
     export it with `torch.onnx.export(model, example_input, \"model.onnx\")`";
const KERAS: &str = "export it with `python -m tf2onnx.convert --keras model.h5 --output model.onnx`, or `model.export(\"model.onnx\", format=\"onnx\")`";
const TFLITE: &str =
    "convert it with `python -m tf2onnx.convert --tflite model.tflite --output model.onnx`";
const LLM: &str =
    "export the original model with `optimum-cli export onnx --model NAME OUTPUT_DIR`";
const WEIGHTS: &str = "it holds weights but no graph: load them into the model and export that with `torch.onnx.export(model, example_input, \"model.onnx\")`";
const UNPACK: &str = "unpack it and give the .onnx file inside";
const DOWNLOAD: &str = "the download did not fetch the model itself: with Git LFS run `git lfs pull`, otherwise fetch the raw file";
const COMPILED: &str = "it is a compiled engine: give the .onnx file it was made from";
const EXPORT: &str =
    "export the model with `torch.onnx.export`, tf2onnx or skl2onnx and give that file";

/// Offset, magic, name, advice. More specific rows first.
const FORMATS: &[(usize, &[u8], &str, &str)] = &[
    (
        0,
        b"PK\x03\x04",
        "a zip archive (PyTorch .pt/.pth, Keras .keras, .npz)",
        TORCH,
    ),
    (0, b"PK\x05\x06", "an empty zip archive", EXPORT),
    (
        0,
        b"\x80\x02",
        "a Python pickle (.pt, .pkl, .joblib)",
        PICKLE,
    ),
    (
        0,
        b"\x80\x03",
        "a Python pickle (.pt, .pkl, .joblib)",
        PICKLE,
    ),
    (
        0,
        b"\x80\x04",
        "a Python pickle (.pt, .pkl, .joblib)",
        PICKLE,
    ),
    (
        0,
        b"\x80\x05",
        "a Python pickle (.pt, .pkl, .joblib)",
        PICKLE,
    ),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5)", KERAS),
    (4, b"TFL3", "a TensorFlow Lite model", TFLITE),
    (4, b"ORTM", "an ONNX Runtime .ort model", COMPILED),
    (0, b"ftrt", "a TensorRT engine", COMPILED),
    (0, b"ptrt", "a TensorRT engine", COMPILED),
    (0, b"GGUF", "a GGUF language model", LLM),
    (0, b"ggml", "a GGML language model", LLM),
    (5, b"\0\0\0{\"", "a safetensors file", WEIGHTS),
    (0, b"\x93NUMPY", "a NumPy array", WEIGHTS),
    (0, b"\x1f\x8b", "a gzip file", UNPACK),
    (0, b"BZh", "a bzip2 file", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"version https://git-lfs", "a Git LFS pointer", DOWNLOAD),
    (0, b"<!DOCTYPE", "a web page", DOWNLOAD),
    (0, b"<!doctype", "a web page", DOWNLOAD),
    (0, b"<html", "a web page", DOWNLOAD),
    (0, b"<?xml", "an XML file (OpenVINO .xml, PMML)", EXPORT),
];

/// Field number and wire type of every field that `ModelProto` may begin with.
const MODEL_KEYS: [(u64, u64); 12] = [
    (1, 0),
    (2, 2),
    (3, 2),
    (4, 2),
    (5, 0),
    (6, 2),
    (7, 2),
    (8, 2),
    (14, 2),
    (20, 2),
    (25, 2),
    (26, 2),
];

/// Refuses an empty file, another format, and what does not begin like an ONNX model.
pub(crate) fn refuse_other_formats(bytes: &[u8]) -> Result<(), Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    for &(offset, magic, format, advice) in FORMATS {
        if bytes
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
        {
            return Err(Error::NotOnnx { format, advice });
        }
    }
    match wire::varint(bytes, 0, bytes.len()) {
        Ok((key, _)) if MODEL_KEYS.contains(&(key >> 3, key & 7)) => Ok(()),
        _ => Err(Error::NotOnnx {
            format: "a file of unknown format",
            advice: EXPORT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named_with_a_way_to_onnx() {
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: &[(&[u8], &str, &str)] = &[
            (b"\x80\x02}q\x00.", "pickle", "torch.onnx.export"),
            (b"\x80\x04\x95\x00", "pickle", "skl2onnx"),
            (
                b"PK\x03\x04\x00\x00model/data.pkl",
                "zip",
                "torch.onnx.export",
            ),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5", "tf2onnx"),
            (b"\x1c\0\0\0TFL3", "Lite", "--tflite"),
            (b"GGUF\x03\0\0\0", "GGUF", "optimum"),
            (b"\x40\0\0\0\0\0\0\0{\"w\":{}}", "safetensors", "no graph"),
            (b"\x1f\x8b\x08", "gzip", "unpack"),
            (&tar, "tar", "unpack"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "LFS",
                "git lfs pull",
            ),
            (b"<!DOCTYPE html><html>", "web page", "raw file"),
            (b"\x93NUMPY\x01\0", "NumPy", "torch.onnx.export"),
            (b"hello, world", "unknown", "export the model"),
            (b"\x0a\x05nodes", "unknown", "tf2onnx"),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                "unknown",
                "export the model",
            ),
        ];
        for (bytes, format, advice) in cases {
            let message = refuse_other_formats(bytes).expect_err(format).to_string();
            assert!(
                message.contains(format) && message.contains(advice),
                "{format}: {message}"
            );
        }
        assert!(matches!(refuse_other_formats(b""), Err(Error::Empty)));
    }

    #[test]
    fn an_onnx_beginning_passes() {
        for bytes in [
            &b"\x08\x08\x12\x07pytorch"[..],
            b"\x3a\x00",
            b"\x42\x02\x10\x0d",
        ] {
            assert!(refuse_other_formats(bytes).is_ok(), "{bytes:?}");
        }
    }
}
