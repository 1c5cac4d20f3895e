// needs: conv_end.wgsl
// Channels of the source in another order: constants say of each channel of the destination which one of the source it is, or
// none: then it is zero, or in mode 1 left as it is, for another source makes it.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = (id.x + id.y * count.x) * 256u + t;
    let c = find(number);
    let area = params.to_rows * params.to_cols;
    let sample = number / (params.width * ((params.height + 3u) / 4u)) % params.batch;
    // Of a pixel of channel 0 of the sample, in a value of one channel.
    let pixel = at - sample * params.filters * area;
    read_marks(c);
    for (var i = c; i < min(c + 8u, params.filters); i++) {
        let channel = constants[params.weights + i / 4u][i % 4u];
        if channel == NONE && params.mode == 1u {
            continue;
        }
        var v = vec4<f32>(0.0);
        if channel != NONE {
            v = four(pixel + (sample * params.channels + channel) * area);
        }
        finish(i, v);
    }
}
