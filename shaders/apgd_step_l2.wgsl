// needs: reduce.wgsl
// APGD's momentum step in the L2 ball, one workgroup a row (Croce & Hein 2020, arXiv 2003.01690,
// algorithm 1), with P = clip(project):
//   z = P(x + alpha * grad / |grad|)
//   x_prev = P(x + keep * (z - x) + (1 - keep) * (x - x_prev)), which the host then calls x.
// In a row without a direction z = P(x).

struct Params {
    rows: u32,
    cols: u32,
    keep: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x_prev: array<f32>;
@group(0) @binding(3) var<storage, read_write> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad: array<f32>;
@group(0) @binding(5) var<storage, read_write> alpha: array<f32>;

struct Direction {
    alpha: f32,
    scale: f32,
    norm: f32,
}

fn ascended(i: u32, along: Direction) -> f32 {
    var moved = x[i];
    if (along.scale > 0.0) {
        moved += along.alpha * (grad[i] / along.scale / along.norm);
    }
    return moved;
}

// What a perturbation of this squared length is multiplied by to end in the ball.
fn shrink(distance2: f32) -> f32 {
    let distance = sqrt(distance2);
    if (distance > params.eps) {
        return params.eps / distance;
    }
    return 1.0;
}

fn shrunk(point: f32, i: u32, factor: f32) -> f32 {
    return clamp(x0[i] + (point - x0[i]) * factor, params.lo, params.hi);
}

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

    var squares = 0.0;
    if (scale > 0.0) {
        for (var i = first; i < end; i += 256u) {
            let g = grad[i] / scale;
            squares += g * g;
        }
    }
    let along = Direction(alpha[row], scale, sqrt(sum(lane, squares)));

    var distance2 = 0.0;
    for (var i = first; i < end; i += 256u) {
        let delta = ascended(i, along) - x0[i];
        distance2 += delta * delta;
    }
    let z_shrink = shrink(sum(lane, distance2));

    distance2 = 0.0;
    for (var i = first; i < end; i += 256u) {
        let here = x[i];
        let z = shrunk(ascended(i, along), i, z_shrink);
        x_prev[i] = here + params.keep * (z - here) + (1.0 - params.keep) * (here - x_prev[i]);
        let delta = x_prev[i] - x0[i];
        distance2 += delta * delta;
    }
    let x_shrink = shrink(sum(lane, distance2));

    // Each thread reads back only what it wrote itself.
    for (var i = first; i < end; i += 256u) {
        x_prev[i] = shrunk(x_prev[i], i, x_shrink);
    }
}
