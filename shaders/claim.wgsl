// Marks the samples that are misclassified for the first time: mask = not found and predicted
// differs from label and predicted is a class at all; found takes the stamp there.

const INVALID = 0xffffffffu;

struct Params {
    rows: u32,
    stamp: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> found: array<u32>;
@group(0) @binding(2) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(3) var<storage, read_write> labels: array<u32>;
@group(0) @binding(4) var<storage, read_write> mask: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.rows) {
        return;
    }
    let wrong = predicted[i] != labels[i] && predicted[i] != INVALID;
    let first_time = wrong && found[i] == 0u;
    mask[i] = select(0u, 1u, first_time);
    if (first_time) {
        found[i] = params.stamp;
    }
}
