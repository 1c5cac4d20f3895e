// needs: reduce.wgsl
// One step of gradient ascent in the L2 ball, projected and clipped; one workgroup a row:
// x = clip(project(x + alpha * grad / |grad|)). A row without a direction only gets projected.

struct Params {
    rows: u32,
    cols: u32,
    alpha: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;

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

    // The row's factor on grad/scale; the gradient is read only where it is finite.
    var squares = 0.0;
    if (scale > 0.0) {
        for (var i = first; i < end; i += 256u) {
            let g = grad[i] / scale;
            squares += g * g;
        }
    }
    let norm = sqrt(sum(lane, squares));

    var distance2 = 0.0;
    for (var i = first; i < end; i += 256u) {
        var moved = x[i];
        if (scale > 0.0) {
            moved += params.alpha * (grad[i] / scale / norm);
        }
        x[i] = moved;
        let delta = moved - x0[i];
        distance2 += delta * delta;
    }
    let distance = sqrt(sum(lane, distance2));

    // Each thread reads back only what it wrote itself.
    var shrink = 1.0;
    if (distance > params.eps) {
        shrink = params.eps / distance;
    }
    for (var i = first; i < end; i += 256u) {
        x[i] = clamp(x0[i] + (x[i] - x0[i]) * shrink, params.lo, params.hi);
    }
}
