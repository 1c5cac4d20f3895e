// What a model takes for elements in [0, 1], of each its own scale (see encode.rs).

struct Params {
    elements: u32,
    cols: u32,
}

const BETWEEN = 1e-6;
const ROUNDING = 2e-7;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
// levels, base, unit, mean, std
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> encoded: array<f32>;

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
    let at = 5u * (i % params.cols);
    let levels = scales[at];
    var q = x[i];
    if (levels > 0.0) {
        q *= levels;
        let step = floor(q + 0.5);
        if (abs(q - step) <= BETWEEN + levels * ROUNDING) {
            q = step;
        }
    }
    let value = scales[at + 1u] + scales[at + 2u] * q;
    let centre = scales[at + 3u];
    let spread = scales[at + 4u];
    if (centre == 0.0 && spread == 1.0) {
        encoded[i] = value;
    } else {
        encoded[i] = (value - centre) / spread;
    }
}
