// needs: philox.wgsl, normal.wgsl
// x = f(x), element by element (see map.rs for the functions).

struct Params {
    elements: u32,
    function: u32,
    p: f32,
    q: f32,
}

const AFFINE = 0u;
const CLAMP = 1u;
const SIGN = 2u;
const ABS = 3u;
const SQUARE = 4u;
const SQRT = 5u;
const RECIPROCAL = 6u;
const TANH = 7u;
const ATANH = 8u;
const EXP = 9u;
const SHRINK = 10u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn reciprocal(v: f32) -> f32 {
    let bits = bitcast<u32>(v) & 0x7fffffffu;
    if (bits >= 0x00800000u && bits < 0x7f800000u) {
        return 1.0 / v;
    }
    return 0.0;
}

// From exp, whose argument is kept where it is finite: WGSL's own may be far off.
fn hyperbolic_tangent(v: f32) -> f32 {
    return 1.0 - 2.0 / (exp(clamp(2.0 * v, -40.0, 40.0)) + 1.0);
}

fn inverse_hyperbolic_tangent(v: f32) -> f32 {
    return 0.5 * precise_ln((1.0 + v) / (1.0 - v));
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
    let v = x[i];
    switch params.function {
        case AFFINE: { x[i] = params.p * v + params.q; }
        case CLAMP: { x[i] = clamp(v, params.p, params.q); }
        case SIGN: { x[i] = sign(v); }
        case ABS: { x[i] = abs(v); }
        case SQUARE: { x[i] = v * v; }
        case SQRT: { x[i] = sqrt(v); }
        case RECIPROCAL: { x[i] = reciprocal(v); }
        case TANH: { x[i] = hyperbolic_tangent(v); }
        case ATANH: { x[i] = inverse_hyperbolic_tangent(v); }
        case EXP: { x[i] = exp(v); }
        case SHRINK: { x[i] = sign(v) * max(abs(v) - params.p, 0.0); }
        default: { x[i] = round(v); }
    }
}
