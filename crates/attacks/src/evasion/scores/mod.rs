//! Attacks from scores alone.

pub mod square;
