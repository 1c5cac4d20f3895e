// summed[g] = the sum of the rows of a whose group is g, in the order of the rows; a thread a sum.

struct Params {
    rows: u32,
    cols: u32,
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> group_of: array<u32>;
@group(0) @binding(3) var<storage, read_write> summed: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.groups * params.cols) {
        return;
    }
    let mine = i / params.cols;
    let column = i % params.cols;
    var total = 0.0;
    for (var row = 0u; row < params.rows; row++) {
        if (group_of[row] == mine) {
            total += a[row * params.cols + column];
        }
    }
    summed[i] = total;
}
