// needs: conv_end.wgsl
// A convolution in which every channel meets its own kernel alone, or one phase of the way back to its input.

fn channel(c: u32, sample: u32, y: vec4<i32>, x: i32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    let first = (sample * params.channels + c) * (params.rows * params.cols);
    for (var k = 0u; k < params.depth; k++) {
        let tap = bitcast<vec4<i32>>(constants[params.taps + k]);
        let weight = constants[params.weights + (c / 4u) * params.depth + k][c % 4u];
        let row = vec4<u32>(y + tap.y);
        let col = u32(x + tap.z);
        let inside = live & (row < vec4<u32>(params.rows)) & vec4<bool>(col < params.cols);
        let place = first + row * params.cols + col;
        var v = vec4<f32>(0.0);
        if inside.x { v.x = source[place.x]; }
        if inside.y { v.y = source[place.y]; }
        if inside.z { v.z = source[place.z]; }
        if inside.w { v.w = source[place.w]; }
        sum = fma(vec4<f32>(bitcast<f32>(weight)), v, sum);
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = (id.x + id.y * count.x) * 256u + t;
    let c = find(number);
    let strips = (params.height + 3u) / 4u;
    let x = params.stride_x * (number % params.width);
    let y = params.stride_y * (number / params.width % strips * 4u);
    let rows = vec4<i32>(y + params.stride_y * vec4<u32>(0u, 1u, 2u, 3u));
    let sample = number / (params.width * strips) % params.batch;
    read_marks(c);
    for (var i = c; i < min(c + 8u, params.filters); i++) {
        finish(i, channel(i, sample, rows, i32(x)));
    }
    leave_marks(c);
}
