//! Cases of the ONNX node suite that do not pass though their operators are claimed, each with the
//! reason. A final `*` stands for any rest of the name. A case that passes may not be here.

pub const EXCLUDED: &[(&str, &str)] = &[
    (
        "test_bitcast_2d_float32_to_int32",
        "32 bits of what a run computes do not fit the 24 that its whole numbers have",
    ),
    (
        "test_bitcast_float32_to_int32",
        "32 bits of what a run computes do not fit the 24 that its whole numbers have",
    ),
    (
        "test_bitcast_float64_to_int64",
        "double precision is held as single, so its bits are lost",
    ),
    (
        "test_bitcast_int64_to_float64",
        "double precision is held as single, so its bits would be lost",
    ),
    (
        "test_bitcast_scalar_float32_to_int32",
        "32 bits of what a run computes do not fit the 24 that its whole numbers have",
    ),
];
