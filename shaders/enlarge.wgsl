// Images of large pixels (see enlarge.rs). One thread an element.

struct Params {
    elements: u32,
    height: u32,
    width: u32,
    from_height: u32,
    from_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> small: array<f32>;
@group(0) @binding(2) var<storage, read_write> large: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.elements) {
        return;
    }
    let plane = params.height * params.width;
    let y = (i % plane) / params.width * params.from_height / params.height;
    let x = i % params.width * params.from_width / params.width;
    let first = i / plane * params.from_height * params.from_width;
    large[i] = small[first + y * params.from_width + x];
}
