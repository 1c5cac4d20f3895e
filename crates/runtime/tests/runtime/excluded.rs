//! Cases of the ONNX node suite that do not pass though their operators are claimed, each with the
//! reason. A final `*` stands for any rest of the name. A case that passes may not be here.

pub const EXCLUDED: &[(&str, &str)] = &[];
