// needs: conv_end.wgsl
// Layer normalisation: the channels of each pixel, less their mean in mode 1, over their deviation, times `weights`, plus `bias`.
// The tape keeps what is normalised, and behind all of that one over the deviation of each pixel. A thread has four pixels.

fn keep_number(i: u32, value: f32) {
    marks[params.numbers + i] = bitcast<u32>(value);
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
    if params.mode == 1u {
        for (var i = 0u; i < params.filters; i++) {
            mean += four(at + i * area);
        }
        mean *= share;
    }
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < params.filters; i++) {
        let v = four(at + i * area) - mean;
        squares = fma(v, v, squares);
    }
    let by = 1.0 / sqrt(squares * share + params.low);
    for (var i = 0u; i < params.filters; i++) {
        let place = at + i * area;
        let kept = (four(place) - mean) * by;
        var v = kept * bitcast<f32>(constants[params.weights + i / 4u][i % 4u]);
        if params.bias != NONE {
            v += bitcast<f32>(constants[params.bias + i / 4u][i % 4u]);
        }
        if live.x { to[place.x] = v.x; keep_number(place.x, kept.x); }
        if live.y { to[place.y] = v.y; keep_number(place.y, kept.y); }
        if live.z { to[place.z] = v.z; keep_number(place.z, kept.z); }
        if live.w { to[place.w] = v.w; keep_number(place.w, kept.w); }
    }
    let sample = number / (params.width * ((params.height + 3u) / 4u)) % params.batch;
    let pixel = at - sample * (params.filters - 1u) * area + params.batch * params.filters * area;
    if live.x { keep_number(pixel.x, by.x); }
    if live.y { keep_number(pixel.y, by.y); }
    if live.z { keep_number(pixel.z, by.z); }
    if live.w { keep_number(pixel.w, by.w); }
}
