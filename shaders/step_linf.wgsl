// One step of gradient ascent in the Linf ball, projected and clipped, element by element:
// x = clip(project(x + alpha * sign(grad))).

struct Params {
    elements: u32,
    alpha: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;

// -1, 0 or 1, by bit pattern: 0 for NaN, and the sign of what devices flush to zero.
fn sign_of(g: f32) -> f32 {
    let bits = bitcast<u32>(g);
    let magnitude = bits & 0x7fffffffu;
    let none = magnitude == 0u || magnitude > 0x7f800000u;
    return select(select(1.0, -1.0, bits >= 0x80000000u), 0.0, none);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.elements) {
        return;
    }
    let moved = x[i] + params.alpha * sign_of(grad[i]);
    let projected = clamp(moved, x0[i] - params.eps, x0[i] + params.eps);
    x[i] = clamp(projected, params.lo, params.hi);
}
