//! What a measurement means: the ATLAS [`catalogue`], the [`stats`] of a rate, the risk [`score`]
//! and the grade of the [`evidence`] behind it.
//!
//! Pure functions of counts and declarations: no model, no device, no I/O. The gate, the printed
//! verdict and the reports all take their figures from here, so that there is one computation of
//! each.

#![forbid(unsafe_code)]

pub mod catalogue;
pub mod evidence;
pub mod score;
pub mod stats;
mod words;

pub use words::UnknownWord;
