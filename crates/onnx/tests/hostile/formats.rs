//! Other files in place of a model.

use super::Case;

pub fn cases() -> Vec<Case> {
    let bytes = |bytes: &[u8]| bytes.to_vec();
    vec![
        ("empty file", vec![], "empty"),
        ("zeros", vec![0; 100], "unknown format"),
        (
            "pickle",
            bytes(b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system"),
            "Scoville never does it",
        ),
        (
            "zip of a PyTorch checkpoint",
            bytes(b"PK\x03\x04\x14\0\0\0archive/data.pkl"),
            "zip archive",
        ),
        (
            "safetensors",
            bytes(b"\x40\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\"}}"),
            "safetensors",
        ),
        (
            "web page",
            bytes(b"<!DOCTYPE html><html><script>"),
            "web page",
        ),
        ("HDF5", bytes(b"\x89HDF\r\n\x1a\n\0\0"), "tf2onnx"),
        (
            "Git LFS pointer",
            bytes(b"version https://git-lfs.github.com/spec/v1\noid "),
            "git lfs pull",
        ),
        ("script", bytes(b"#!/bin/sh\nrm -rf /\n"), "unknown format"),
    ]
}
