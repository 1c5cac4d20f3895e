// best <- min(best, candidate), and which rows fell (strictly), one thread a row.

struct Params {
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> best: array<f32>;
@group(0) @binding(2) var<storage, read_write> candidate: array<f32>;
@group(0) @binding(3) var<storage, read_write> fell: array<u32>;

// By bit pattern: WGSL implementations may assume that there is no NaN and no Inf.
fn finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
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
    let now = candidate[row];
    // What is not finite is below nothing; a finite number is below any that is not.
    let below = finite(now) && (!finite(best[row]) || now < best[row]);
    if (below) {
        best[row] = now;
    }
    fell[row] = u32(below);
}
