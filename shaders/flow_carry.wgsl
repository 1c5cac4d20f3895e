// needs: flow.wgsl
// x = x0 after the flow, in [lo, hi]; one thread a pixel.

@group(0) @binding(1) var<storage, read_write> x0: array<f32>;
@group(0) @binding(2) var<storage, read_write> flow: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.rows * params.pixels) {
        return;
    }
    let pixel = i % params.pixels;
    let right = i / params.pixels * 2u * params.pixels + pixel;
    let below = right + params.pixels;
    var value = x0[i];
    if (has_above(pixel)) {
        value += flow[below - params.width];
    }
    if (has_left(pixel)) {
        value += flow[right - 1u];
    }
    if (has_right(pixel)) {
        value -= flow[right];
    }
    if (has_below(pixel)) {
        value -= flow[below];
    }
    x[i] = clamp(value, params.lo, params.hi);
}
