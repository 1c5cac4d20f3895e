// needs: reduce.wgsl
// The inner product of each row of a with that of b (see dot_rows.rs); one workgroup a row.

struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = id.x + id.y * count.x;
    if (row >= params.rows) {
        return;
    }
    var own = 0.0;
    for (var i = row * params.cols + lane; i < (row + 1u) * params.cols; i += 256u) {
        own += a[i] * b[i];
    }
    let total = sum(lane, own);
    if (lane == 0u) {
        products[row] = total;
    }
}
