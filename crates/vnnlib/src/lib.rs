//! VNN-LIB properties (VNN-COMP's subset of SMT-LIB) and tables of instances, from untrusted bytes.
//!
//! A property asks for a counter-example: a point of one of its boxes at which the model's outputs satisfy one of the
//! box's conjunctions. [`Property::parse`] takes `declare-const` of `X_i` and `Y_j`, and `assert` of `and`, `or`, `<=` and
//! `>=` over linear terms (`+`, `-`, `*`, numbers), and brings them into that form.

#![forbid(unsafe_code)]

mod build;
mod error;
mod file;
mod formula;
mod lexer;
mod linear;
mod property;
mod table;

pub use error::Error;
pub use file::read;
pub use property::{Case, Conjunction, Constraint, Property, counterexample};
pub use table::{Instance, Labels, Source, instances};
