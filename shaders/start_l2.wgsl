// needs: philox.wgsl, normal.wgsl, reduce.wgsl
// A random start in the L2 ball, one workgroup a row: started = clip(x0 + radius * d), d a uniform
// direction (normal numbers over their norm), radius = eps * u^(1/cols), or eps with `surface`.

struct Params {
    rows: u32,
    cols: u32,
    key_low: u32,
    key_high: u32,
    stream: u32,
    surface: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x0: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> started: array<f32>;

fn words(block: u32, sample: u32, purpose: u32) -> vec4<u32> {
    let counter = vec4(block, sample, params.stream, purpose);
    return philox4x32(counter, vec2(params.key_low, params.key_high));
}

// Elements 4 * block .. 4 * block + 3 of the sample.
fn draw(block: u32, sample: u32) -> vec4<f32> {
    let w = words(block, sample, 0u);
    return vec4(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
}

fn radius(sample: u32) -> f32 {
    let u = unit(words(0u, sample, 1u).x) + 0x1p-24f;
    let share = exp(precise_ln(u) / f32(params.cols));
    return params.eps * select(min(share, 1.0), 1.0, params.surface != 0u);
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
    let sample = ids[row];
    let blocks = (params.cols + 3u) / 4u;

    var squares = 0.0;
    for (var block = lane; block < blocks; block += 256u) {
        let z = draw(block, sample);
        for (var k = 0u; k < min(4u, params.cols - 4u * block); k++) {
            squares += z[k] * z[k];
        }
    }
    let norm = sqrt(sum(lane, squares));
    var scale = 0.0;
    if (norm > 0.0) {
        scale = radius(sample) / norm;
    }

    for (var block = lane; block < blocks; block += 256u) {
        let z = draw(block, sample);
        for (var k = 0u; k < min(4u, params.cols - 4u * block); k++) {
            let i = row * params.cols + 4u * block + k;
            started[i] = clamp(x0[i] + scale * z[k], params.lo, params.hi);
        }
    }
}
