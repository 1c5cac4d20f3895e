// needs: conv_end.wgsl
// From the derivative by a product (the source) to the one by a factor of its size: times the other, which is on the tape. In
// mode 1 the other has one pixel, a number for each channel.

fn other(i: u32) -> f32 {
    return bitcast<f32>(marks[params.numbers + i]);
}

fn weighed(place: u32) -> f32 {
    let area = params.rows * params.cols;
    return source[place] * other(select(place, place / area, params.mode == 1u));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let c = find((id.x + id.y * count.x) * 256u + t);
    read_marks(c);
    for (var i = c; i < min(c + 8u, params.filters); i++) {
        let place = at + i * (params.to_rows * params.to_cols);
        var v = vec4<f32>(0.0);
        if live.x { v.x = weighed(place.x); }
        if live.y { v.y = weighed(place.y); }
        if live.z { v.z = weighed(place.z); }
        if live.w { v.w = weighed(place.w); }
        finish(i, v);
    }
}
