// Images of few low frequencies: the inverse cosine transform (see waves.rs). One thread an element.

struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    // Frequencies down and across.
    down: u32,
    across: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(2) var<storage, read_write> cosines_down: array<f32>;
@group(0) @binding(3) var<storage, read_write> cosines_across: array<f32>;
@group(0) @binding(4) var<storage, read_write> images: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    let plane = params.height * params.width;
    if (i >= params.rows * params.channels * plane) {
        return;
    }
    let first = (i / plane) * params.down * params.across;
    let y = (i % plane) / params.width;
    let x = i % params.width;
    var value = 0.0;
    for (var u = 0u; u < params.down; u++) {
        var row = 0.0;
        for (var v = 0u; v < params.across; v++) {
            row += coefficients[first + u * params.across + v] * cosines_across[x * params.across + v];
        }
        value += cosines_down[y * params.down + u] * row;
    }
    images[i] = value;
}
