// needs: conv_end.wgsl
// From the derivative by a product (the source) to the one by a factor that has one pixel: times the other, which is on the tape,
// summed over its pixels. A workgroup has a channel of a sample, for there may be many pixels.

const THREADS = 256u;
var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = id.x + id.y * count.x;
    let area = params.rows * params.cols;
    let inside = number < params.batch * params.filters;
    var sum = 0.0;
    if inside {
        for (var i = number * area + t; i < (number + 1u) * area; i += THREADS) {
            sum = fma(source[i], bitcast<f32>(marks[params.numbers + i]), sum);
        }
    }
    parts[t] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if t < half {
            parts[t] += parts[t + half];
        }
        workgroupBarrier();
    }
    if t == 0u && inside {
        let c = number % params.filters;
        locate(number / params.filters, 0u, 0u);
        read_marks(c);
        finish(c, vec4<f32>(parts[0], 0.0, 0.0, 0.0));
    }
}
