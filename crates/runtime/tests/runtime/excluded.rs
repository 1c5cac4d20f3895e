//! Cases of the ONNX node suite that do not pass though their operators are claimed, each with the
//! reason. A final `*` stands for any rest of the name. A case that passes may not be here.

pub const EXCLUDED: &[(&str, &str)] = &[(
    "test_dft_inverse*",
    "the expected values carry the rounding of a float32 FFT: 1.9e-7 where the result is 0",
)];

/// Cases whose float inputs make the output's shape or size, and so are known before the run too. A
/// final `*` as above.
pub const SHAPED_BY_FLOATS: &[&str] = &[
    "test_melweightmatrix",
    "test_onehot_*",
    "test_range_bfloat16_type_positive_delta",
    "test_range_float16_type_positive_delta",
    "test_range_float_type_positive_delta",
    "test_unique_*",
];
