//! Data set readers and the built-in procedural data.
//!
//! A [`Source`] is parsed from the text of `--data` and opens a [`Dataset`]: labels in memory, and samples in row order
//! that are read when they are asked for. One format, one file; every reader guards its memory before it allocates and
//! returns a typed [`Error`].

#![forbid(unsafe_code)]

mod cifar10;
mod csv;
mod dataset;
mod error;
mod features;
pub mod glyphs;
mod idx;
mod input;
mod labels;
mod philox;
mod raw_f32;
mod samples;
mod schema;
mod source;
mod store;
mod table;
mod text;

pub use dataset::Dataset;
pub use error::Error;
pub use features::{Change, Element, Feature, Features, Scale};
pub use schema::Schema;
pub use source::Source;
pub use text::TextData;

#[cfg(test)]
mod testing;
