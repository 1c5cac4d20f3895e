// kept[r] = other[r] in the rows where mask[r] is not 0, word by word whatever the words mean.

struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> kept: array<u32>;
@group(0) @binding(2) var<storage, read_write> other: array<u32>;
@group(0) @binding(3) var<storage, read_write> mask: array<u32>;

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
    if (mask[i / params.cols] != 0u) {
        kept[i] = other[i];
    }
}
