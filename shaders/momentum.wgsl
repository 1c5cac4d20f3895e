// needs: reduce.wgsl
// velocity = decay * velocity + grad / |grad|_1; one workgroup a row. A row without a direction
// only decays.

struct Params {
    rows: u32,
    cols: u32,
    decay: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad: array<f32>;

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
    let first = row * params.cols + lane;
    let end = (row + 1u) * params.cols;

    var bits = 0u;
    for (var i = first; i < end; i += 256u) {
        bits = max(bits, magnitude_bits(grad[i]));
    }
    let scale = row_scale(lane, bits);

    var absolute = 0.0;
    if (scale > 0.0) {
        for (var i = first; i < end; i += 256u) {
            absolute += abs(grad[i] / scale);
        }
    }
    let norm = sum(lane, absolute);

    for (var i = first; i < end; i += 256u) {
        var next = params.decay * velocity[i];
        if (scale > 0.0) {
            next += grad[i] / scale / norm;
        }
        velocity[i] = next;
    }
}
