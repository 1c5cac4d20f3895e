// APGD's momentum step in the Linf ball, element by element (Croce & Hein 2020, arXiv 2003.01690,
// algorithm 1), with P = clip(project):
//   z = P(x + alpha * sign(grad))
//   x_prev = P(x + keep * (z - x) + (1 - keep) * (x - x_prev)), which the host then calls x.

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

// -1, 0 or 1, by bit pattern: 0 for NaN, and the sign of what devices flush to zero.
fn sign_of(g: f32) -> f32 {
    let bits = bitcast<u32>(g);
    let magnitude = bits & 0x7fffffffu;
    let none = magnitude == 0u || magnitude > 0x7f800000u;
    return select(select(1.0, -1.0, bits >= 0x80000000u), 0.0, none);
}

fn project(point: f32, centre: f32) -> f32 {
    let projected = clamp(point, centre - params.eps, centre + params.eps);
    return clamp(projected, params.lo, params.hi);
}

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
    let here = x[i];
    let z = project(here + alpha[i / params.cols] * sign_of(grad[i]), x0[i]);
    let next = here + params.keep * (z - here) + (1.0 - params.keep) * (here - x_prev[i]);
    x_prev[i] = project(next, x0[i]);
}
