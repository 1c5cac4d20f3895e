// needs: conv_tile.wgsl
// A matrix by each sample: a workgroup makes 16 outputs of 4 samples, 16 threads an output. `depth` is the length of a row in
// fours, padded with zeros; a sample has `channels` elements.

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
    let tiles = (params.filters + FILTERS - 1u) / FILTERS;
    let m = number % tiles * FILTERS;
    let n = number / tiles * PIXELS;
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
    // Four threads end four outputs each.
    locate(n);
    if t < 4u {
        read_marks(m + t * ROWS);
        for (var i = 0u; i < ROWS; i++) {
            let first = (t * ROWS + i) * 16u;
            var sum = vec4<f32>(0.0);
            for (var lane = 0u; lane < 16u; lane++) {
                sum += parts[first + lane];
            }
            finish(m + t * ROWS + i, sum);
        }
    }
    leave_marks(t, t, 0u, m, n);
}
