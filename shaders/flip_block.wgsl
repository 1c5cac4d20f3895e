// A block of each row turned to the other sign (see flip_block.rs). One thread an element.

struct Params {
    rows: u32,
    cols: u32,
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

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
    let cols = params.cols;
    var block = u32(numbers[i / cols]) % params.blocks;
    var size = cols;
    for (var level = 0u; level < 32u; level++) {
        size = (cols - 1u) / (1u << level) + 1u;
        let blocks = (cols - 1u) / size + 1u;
        if (block < blocks) {
            break;
        }
        block -= blocks;
    }
    let element = i % cols;
    if (element / size == block) {
        x[i] = -x[i];
    }
}
