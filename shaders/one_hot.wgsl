// needs: philox.wgsl
// 1 in one column of each sample, of a random permutation (see one_hot.rs). One thread a sample.

struct Params {
    key_low: u32,
    key_high: u32,
    rows: u32,
    cols: u32,
    half_bits: u32,
    step: f32,
    by_row: u32,
}

const PURPOSE = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> steps: array<f32>;
@group(0) @binding(3) var<storage, read_write> hot: array<f32>;

fn scramble(start: u32) -> u32 {
    var word = (start ^ (start >> 16u)) * 0x85EBCA6Bu;
    word = (word ^ (word >> 13u)) * 0xC2B2AE35u;
    return word ^ (word >> 16u);
}

fn permuted(start: u32, keys: vec4<u32>) -> u32 {
    let mask = (1u << params.half_bits) - 1u;
    var left = start >> params.half_bits;
    var right = start & mask;
    for (var round = 0u; round < 4u; round++) {
        let next = left ^ (scramble(right ^ keys[round]) & mask);
        left = right;
        right = next;
    }
    return (left << params.half_bits) | right;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (id.x + id.y * count.x) * 256u + lane;
    if (row >= params.rows) {
        return;
    }
    var step = u32(params.step);
    if (params.by_row != 0u) {
        step = u32(steps[row]);
    }
    let keys = philox4x32(vec4(0u, ids[row], step / params.cols, PURPOSE), vec2(params.key_low, params.key_high));
    // The cycle that starts at a column comes back to one.
    var column = permuted(step % params.cols, keys);
    while (column >= params.cols) {
        column = permuted(column, keys);
    }
    hot[row * params.cols + column] = 1.0;
}
