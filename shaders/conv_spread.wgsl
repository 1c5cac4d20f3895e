// needs: conv_end.wgsl
// From the derivative by the mean of all pixels (the source, one pixel) to the one by each: `taps`, a float, is its share.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = (id.x + id.y * count.x) * 256u + t;
    let c = find(number);
    let sample = number / (params.width * ((params.height + 3u) / 4u)) % params.batch;
    read_marks(c);
    for (var i = c; i < min(c + 8u, params.filters); i++) {
        finish(i, vec4<f32>(bitcast<f32>(params.taps) * source[sample * params.filters + i]));
    }
}
