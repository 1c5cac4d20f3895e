// needs: philox.wgsl, square.wgsl
// Square Attack's start in the Linf ball: vertical stripes of +eps or -eps, one sign for each
// channel and column. One thread an element. Andriushchenko et al. 2020, arXiv 1912.00049, section
// 3.3.

struct Params {
    seed_low: u32,
    seed_high: u32,
    rows: u32,
    cols: u32,
    plane: u32,
    width: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x0: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidate: array<f32>;

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
    let element = i % params.cols;
    let stripe = (element / params.plane) * params.width + element % params.width;
    let seed = vec2(params.seed_low, params.seed_high);
    let up = random_bit(seed, vec3(ids[i / params.cols], 0u, START), stripe);
    let value = x0[i] + select(-params.eps, params.eps, up);
    candidate[i] = clamp(value, params.lo, params.hi);
}
