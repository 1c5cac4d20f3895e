// needs: conv_end.wgsl
// A matrix by each sample: a workgroup makes 16 outputs of 4 samples, 16 threads an output. `depth` is the length of a row in
// fours, padded with zeros; a sample has `channels` elements.

const OUTPUTS = 16u;
const SAMPLES = 4u;

var<workgroup> parts: array<vec4<f32>, 256>;

fn elements(sample: u32, k: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    if sample < params.batch {
        let first = sample * params.channels;
        let left = params.channels - k;
        v.x = source[first + k];
        if left > 1u { v.y = source[first + k + 1u]; }
        if left > 2u { v.z = source[first + k + 2u]; }
        if left > 3u { v.w = source[first + k + 3u]; }
    }
    return v;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = id.x + id.y * count.x;
    let tiles = (params.filters + OUTPUTS - 1u) / OUTPUTS;
    let m = number % tiles * OUTPUTS;
    let n = number / tiles * SAMPLES;
    if n >= params.batch {
        return;
    }
    let output = m + t / 16u;
    var sums = vec4<f32>(0.0);
    if output < params.filters {
        for (var i = t % 16u; i < params.depth; i += 16u) {
            let w = bitcast<vec4<f32>>(constants[params.weights + output * params.depth + i]);
            sums.x += dot(w, elements(n, 4u * i));
            sums.y += dot(w, elements(n + 1u, 4u * i));
            sums.z += dot(w, elements(n + 2u, 4u * i));
            sums.w += dot(w, elements(n + 3u, 4u * i));
        }
    }
    parts[t] = sums;
    workgroupBarrier();
    // Two threads end eight outputs each.
    if t >= 2u {
        return;
    }
    let c = m + 8u * t;
    let samples = vec4<u32>(n, n + 1u, n + 2u, n + 3u);
    live = samples < vec4<u32>(params.batch);
    at = samples * params.filters;
    let place = params.marks + (c / 8u) * params.batch + samples;
    if params.act == BACKWARD && c < params.filters {
        for (var j = 0u; j < SAMPLES; j++) {
            if live[j] { words[j] = marks[place[j]]; }
        }
    }
    for (var i = 0u; i < 8u; i++) {
        let first = (8u * t + i) * 16u;
        var sum = vec4<f32>(0.0);
        for (var lane = 0u; lane < 16u; lane++) {
            sum += parts[first + lane];
        }
        finish(c + i, sum);
    }
    if params.act != LINEAR && params.act < BACKWARD && c < params.filters {
        for (var j = 0u; j < SAMPLES; j++) {
            if live[j] { marks[place[j]] = (made >> (8u * j)) & 0xffu; }
        }
    }
}
