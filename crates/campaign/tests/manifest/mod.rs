//! What a run is told of its target, data and devices, where a test looks at none of it.

use scoville_campaign::Manifest;
use scoville_data::Dataset;
use scoville_report::event::{DataInfo, DeviceInfo, TargetInfo};
use scoville_targets::{Labels, Metered, ModelTarget};

/// What is said of a run of the built-in model, on a device a target.
pub fn manifest(targets: &[Metered<ModelTarget>], data: &Dataset) -> Manifest {
    let device = DeviceInfo {
        backend: targets[0].device().backend().into(),
        name: String::new(),
        software: false,
    };
    Manifest {
        version: String::new(),
        command: Vec::new(),
        target: TargetInfo {
            name: "glyphs".into(),
            sha256: String::new(),
            weights_sha256: targets[0].inner().weights_digest().unwrap(),
            classes: 10,
            class_names: Vec::new(),
            input_shape: data.shape.clone(),
            input: String::new(),
            parameters: 0,
            notes: Vec::new(),
        },
        surrogates: Vec::new(),
        data: DataInfo {
            name: data.name.clone(),
            sha256: String::new(),
            samples: data.len(),
        },
        devices: vec![device; targets.len()],
    }
}
