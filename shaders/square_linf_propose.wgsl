// needs: philox.wgsl, square.wgsl
// Square Attack's proposal in the Linf ball: one window a sample at a random place, moved by 2 eps
// up or down in each channel and projected. One thread an element. Andriushchenko et al. 2020,
// arXiv 1912.00049, algorithm 2.

struct Params {
    seed: vec2<u32>,
    iteration: u32,
    rows: u32,
    cols: u32,
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> best: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> ids: array<u32>;
@group(0) @binding(4) var<storage, read_write> candidate: array<f32>;

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
    let draws = vec3(ids[i / params.cols], params.iteration, PROPOSAL);
    let size = vec2(params.window_height, params.window_width);
    let room = vec2(params.height, params.width) - size;
    let corner = random_corner(philox4x32(vec4(0u, draws), params.seed).xy, room);

    let element = i % params.cols;
    let plane = params.height * params.width;
    let pixel = vec2((element % plane) / params.width, element % params.width);
    var value = best[i];
    if (all(pixel >= corner) && all(pixel < corner + size)) {
        let up = random_bit(params.seed, draws, FIRST_SIGN + element / plane);
        value += 2.0 * select(-params.eps, params.eps, up);
        value = clamp(value, x0[i] - params.eps, x0[i] + params.eps);
        value = clamp(value, params.lo, params.hi);
    }
    candidate[i] = value;
}
