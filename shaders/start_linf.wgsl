// needs: philox.wgsl, reduce.wgsl
// A random start in the Linf ball, one workgroup a row: started = clip(x0 + eps * t), t uniform in
// [-1, 1) per element, and with `surface` divided by the row's largest |t|.

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

// Elements 4 * block .. 4 * block + 3 of the sample, in [-1, 1).
fn draw(block: u32, sample: u32) -> vec4<f32> {
    let counter = vec4(block, sample, params.stream, 0u);
    let words = philox4x32(counter, vec2(params.key_low, params.key_high));
    return 2.0 * vec4(unit(words.x), unit(words.y), unit(words.z), unit(words.w)) - 1.0;
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

    var reach = 1.0;
    if (params.surface != 0u) {
        var own = 0.0;
        for (var block = lane; block < blocks; block += 256u) {
            let t = draw(block, sample);
            for (var k = 0u; k < min(4u, params.cols - 4u * block); k++) {
                own = max(own, abs(t[k]));
            }
        }
        reach = largest(lane, own);
    }
    if (reach == 0.0) {
        reach = 1.0;
    }

    for (var block = lane; block < blocks; block += 256u) {
        let t = draw(block, sample);
        for (var k = 0u; k < min(4u, params.cols - 4u * block); k++) {
            let i = row * params.cols + 4u * block + k;
            started[i] = clamp(x0[i] + params.eps * (t[k] / reach), params.lo, params.hi);
        }
    }
}
