//! Kernels on rows of numbers, whatever they stand for: sums, products, choices, the loss and the verdict.

pub mod affine;
pub mod against_rest;
pub mod claim;
pub mod combine;
pub mod divergence;
pub mod encode;
pub mod gather;
pub mod head;
pub mod is_class;
pub mod keep_largest;
pub mod keep_lower;
pub mod map;
pub mod one_hot;
pub mod reduce_rows;
pub mod rivals;
pub mod select;
pub mod stack;
pub mod sum_rows;
pub mod valid;
pub mod within;
pub mod zip;
