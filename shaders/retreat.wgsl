// x = x0 + keep (x - x0) in the rows that are misclassified.

struct Params {
    rows: u32,
    cols: u32,
    keep: f32,
}

const INVALID = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(4) var<storage, read_write> labels: array<u32>;

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
    let row = i / params.cols;
    if (predicted[row] != labels[row] && predicted[row] != INVALID) {
        x[i] = x0[i] + params.keep * (x[i] - x0[i]);
    }
}
