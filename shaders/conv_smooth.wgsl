// needs: conv_end.wgsl
// A function that bends of each element, which keeps the derivative there on the tape; one thread an element. The mode is the
// function, and 8 more where it is a factor of its argument.

const SIGMOID = 0u;
const TANH = 1u;
const HARD_SIGMOID = 2u;
const NORMAL = 3u;
const GATED = 8u;
// exp of what is below its negative is taken for 0.
const FAR = 87.0;

// exp(-x) of x from 0 on.
fn decay(x: f32) -> f32 {
    return select(exp(-x), 0.0, x > FAR);
}

// p(t) with which the normal distribution's tail is exp(-x^2 / 2) t p(t), as in convnet/src/smooth.rs.
fn tail_polynomial(t: f32) -> f32 {
    var p = 0.01740396;
    p = fma(p, t, -0.0926605);
    p = fma(p, t, 0.18324631);
    p = fma(p, t, -0.13354993);
    p = fma(p, t, -0.021777645);
    p = fma(p, t, 0.024589227);
    p = fma(p, t, 0.024491612);
    p = fma(p, t, 0.09363138);
    p = fma(p, t, 0.12244067);
    p = fma(p, t, 0.14114133);
    return fma(p, t, 0.1410436);
}

// The share of the normal distribution below x, and its density there.
fn normal(x: f32) -> vec2<f32> {
    let e = decay(0.5 * x * x);
    let t = 1.0 / fma(abs(x), 0.35355338, 1.0);
    let tail = e * tail_polynomial(t) * t;
    return vec2<f32>(select(1.0 - tail, tail, x < 0.0), e * 0.3989423);
}

fn sigmoid(x: f32) -> vec2<f32> {
    let e = decay(abs(x));
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    return vec2<f32>(select(large, small, x < 0.0), small * large);
}

fn hyperbolic_tangent(x: f32) -> vec2<f32> {
    let e = decay(2.0 * abs(x));
    let share = 1.0 / (1.0 + e);
    let large = sign(x) * (1.0 - e) * share;
    let square = x * x;
    var p = fma(-0.0057049887, square, 0.020639088);
    p = fma(p, square, -0.053739716);
    p = fma(p, square, 0.13331442);
    p = fma(p, square, -0.33333282);
    let small = fma(p * square, x, x);
    return vec2<f32>(select(large, small, abs(x) < 0.625), 4.0 * e * share * share);
}

// The value and the derivative.
fn bent(x: f32) -> vec2<f32> {
    switch params.mode & 7u {
        case SIGMOID: { return sigmoid(x); }
        case TANH: { return hyperbolic_tangent(x); }
        case HARD_SIGMOID: {
            let line = x * params.low + params.high;
            let cut = clamp(line, 0.0, 1.0);
            return vec2<f32>(cut, select(0.0, params.low, cut == line));
        }
        case NORMAL: { return normal(x); }
        // erf.
        default: {
            let share = normal(1.4142135 * x);
            let size = 1.0 - 2.0 * normal(-1.4142135 * abs(x)).x;
            return vec2<f32>(sign(x) * size, 2.828427 * share.y);
        }
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
) {
    let i = id.x + id.y * count.x * 256u;
    if i >= params.batch * params.filters * params.to_rows * params.to_cols {
        return;
    }
    let x = source[i];
    var y = bent(x);
    // Arithmetic may take NaN for a number.
    if (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u {
        y = vec2<f32>(x, x);
    } else if (params.mode & GATED) != 0u {
        y = vec2<f32>(x * y.x, fma(x, y.y, y.x));
    }
    to[i] = y.x;
    marks[params.numbers + i] = bitcast<u32>(y.y);
}
