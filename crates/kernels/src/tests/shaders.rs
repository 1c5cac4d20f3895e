//! Every file in `shaders/` is valid WGSL and translates to what Vulkan, Metal and DX12 take.

use std::fs;
use std::path::PathBuf;

use naga::back::pipeline_constants::process_overrides;
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shaders"))
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A shader after the snippets that its first line asks for.
fn with_snippets(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let needs = first.strip_prefix("// needs: ").unwrap_or_default();
    let snippets = needs.split(", ").filter(|name| !name.is_empty()).map(read);
    snippets.chain([text.to_owned()]).collect()
}

fn validate(name: &str, source: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    let (module, info) = process_overrides(&module, &info, None, &Default::default())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    (module.into_owned(), info.into_owned())
}

fn translate(name: &str, module: &Module, info: &ModuleInfo) {
    let words = spv::write_vec(module, info, &spv::Options::default(), None);
    assert!(
        words
            .unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}"))
            .len()
            > 5
    );

    let options = msl::Options {
        fake_missing_bindings: true,
        ..Default::default()
    };
    let text = msl::write_string(module, info, &options, &msl::PipelineOptions::default());
    assert!(
        text.unwrap_or_else(|e| panic!("{name}: MSL: {e}"))
            .0
            .contains("kernel void")
    );

    let mut text = String::new();
    hlsl::Writer::new(
        &mut text,
        &hlsl::Options::default(),
        &hlsl::PipelineOptions::default(),
    )
    .write(module, info, None)
    .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
    assert!(
        text.contains("numthreads(256"),
        "{name}: HLSL without an entry point"
    );
}

#[test]
fn every_shader_is_valid_and_translates() {
    let mut kernels = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".wgsl") {
            continue;
        }
        let (module, info) = validate(&name, &with_snippets(&read(&name)));
        let [entry] = module.entry_points.as_slice() else {
            assert!(
                module.entry_points.is_empty(),
                "{name}: more than one entry point"
            );
            continue; // a snippet
        };
        assert_eq!(
            (entry.name.as_str(), entry.stage),
            ("main", ShaderStage::Compute),
            "{name}"
        );
        assert_eq!(
            entry.workgroup_size,
            [crate::launch::WORKGROUP, 1, 1],
            "{name}"
        );
        translate(&name, &module, &info);
        kernels += 1;
    }
    assert!(kernels > 0);
}

/// wgpu refuses read and read_write access to one buffer in one dispatch, and burn's tensors
/// share buffers: see [`crate::launch`].
#[test]
fn every_storage_binding_is_read_write() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.contains("var<storage")) {
            assert!(
                line.contains("var<storage, read_write>"),
                "{}: {line}",
                path.display()
            );
        }
    }
}
