// needs: conv_end.wgsl
// From the derivative by what conv_norm.wgsl made (the source) to the one by what it normalised. A thread has four pixels.

fn scaled(i: u32) -> vec4<f32> {
    let v = four(at + i * (params.to_rows * params.to_cols));
    return v * bitcast<f32>(constants[params.weights + i / 4u][i % 4u]);
}

fn numbers_at(place: vec4<u32>) -> vec4<f32> {
    var v = vec4<u32>(0u);
    if live.x { v.x = marks[params.numbers + place.x]; }
    if live.y { v.y = marks[params.numbers + place.y]; }
    if live.z { v.z = marks[params.numbers + place.z]; }
    if live.w { v.w = marks[params.numbers + place.w]; }
    return bitcast<vec4<f32>>(v);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = (id.x + id.y * count.x) * 256u + t;
    let c = find(number);
    if c != 0u {
        return;
    }
    let area = params.to_rows * params.to_cols;
    let share = 1.0 / f32(params.filters);
    var mean = vec4<f32>(0.0);
    var along = vec4<f32>(0.0);
    for (var i = 0u; i < params.filters; i++) {
        let g = scaled(i);
        mean += g;
        along = fma(g, numbers_at(at + i * area), along);
    }
    mean = select(vec4<f32>(0.0), mean * share, params.mode == 1u);
    along *= share;
    let sample = number / (params.width * ((params.height + 3u) / 4u)) % params.batch;
    let by = numbers_at(at - sample * (params.filters - 1u) * area + params.batch * params.filters * area);
    for (var i = 0u; i < params.filters; i++) {
        if i % 8u == 0u {
            read_marks(i);
        }
        let kept = numbers_at(at + i * area);
        finish(i, (scaled(i) - mean - kept * along) * by);
    }
}
