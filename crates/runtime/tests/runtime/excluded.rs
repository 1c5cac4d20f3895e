//! Cases of the ONNX node suite that do not pass though their operators are claimed, each with the
//! reason. A final `*` stands for any rest of the name. A case that passes may not be here.

pub const EXCLUDED: &[(&str, &str)] = &[(
    "test_dft_inverse*",
    "the expected values carry the rounding of a float32 FFT: 1.9e-7 where the result is 0",
)];
