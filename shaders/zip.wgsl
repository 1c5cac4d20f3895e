// a = f(a, b), element by element; b is as wide as a, or one number a row (see zip.rs for the functions).

struct Params {
    rows: u32,
    cols: u32,
    by_row: u32,
    function: u32,
}

const MULTIPLY = 0u;
const LOWER = 1u;
const WITHIN = 2u;
const HIGHER = 3u;
const KEEP = 4u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> b: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.rows * params.cols) {
        return;
    }
    var at = i;
    if (params.by_row != 0u) {
        at = i / params.cols;
    }
    let v = a[i];
    let w = b[at];
    switch params.function {
        case MULTIPLY: { a[i] = v * w; }
        case LOWER: { a[i] = select(v, w, w < v); }
        case WITHIN: { a[i] = max(min(v, w), -w); }
        case HIGHER: { a[i] = select(v, w, w > v); }
        case KEEP: { a[i] = select(0.0, v, abs(v) >= w); }
        default: { a[i] = select(0.0, v, w != 0.0); }
    }
}
