// a = alpha * a + beta * b by row; a factor is one number or one a row, and a term whose factor is 0 is left out,
// whatever it holds.

struct Params {
    rows: u32,
    cols: u32,
    alpha: f32,
    beta: f32,
    // 1: alpha by row, 2: beta by row.
    by_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> alphas: array<f32>;
@group(0) @binding(4) var<storage, read_write> betas: array<f32>;

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
    var alpha = params.alpha;
    if ((params.by_row & 1u) != 0u) {
        alpha = alphas[row];
    }
    var beta = params.beta;
    if ((params.by_row & 2u) != 0u) {
        beta = betas[row];
    }
    var sum = 0.0;
    if (alpha != 0.0) {
        sum = alpha * a[i];
    }
    if (beta != 0.0) {
        sum += beta * b[i];
    }
    a[i] = sum;
}
