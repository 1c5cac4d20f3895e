//! The built-in model: a small CNN on the procedural digits of [`scoville_data::glyphs`]. Clean accuracy is high and it
//! was trained without any defence, so that a first run has something to show.
//!
//! `datasets/README.md` has the command that trains it again.

/// The ONNX file.
pub const MODEL: &[u8] = include_bytes!("../../../datasets/glyphs-cnn.onnx");

/// Its name in reports.
pub const NAME: &str = "built-in glyphs CNN";

/// Samples that a run without `--data` and `--limit` takes.
pub const SAMPLES: usize = 420;
