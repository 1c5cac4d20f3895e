// target[r] = source[rows[r]], row by row, word by word whatever the words mean. A row that the
// source does not have becomes all ones (NaN, or the largest integer): never another sample's.

struct Params {
    rows: u32,
    cols: u32,
    source_rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> gathered: array<u32>;

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
    let row = rows[i / params.cols];
    var word = 0xffffffffu;
    if (row < params.source_rows) {
        word = source[row * params.cols + i % params.cols];
    }
    gathered[i] = word;
}
