// needs: conv_tile.wgsl
// A convolution in which every channel meets its own kernel alone, or one phase of the way back to its input.

fn channel(c: u32, sample: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    let first = (sample * params.channels + c) * (params.rows * params.cols);
    for (var k = 0u; k < params.depth; k++) {
        let tap = bitcast<vec4<i32>>(constants[params.taps + k]);
        let weight = constants[params.weights + (c / 4u) * params.depth + k][c % 4u];
        let row = vec4<u32>(y + tap.y);
        let col = vec4<u32>(x + tap.z);
        let inside = live & (row < vec4<u32>(params.rows)) & (col < vec4<u32>(params.cols));
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
    let number = id.x + id.y * count.x;
    let tiles = (params.filters + FILTERS - 1u) / FILTERS;
    let m = number % tiles * FILTERS;
    let n = number / tiles * PIXELS;
    if n >= all_pixels() {
        return;
    }
    let row = t / COLS;
    let col = t % COLS;
    let pixels = n + col + vec4<u32>(0u, COLS, 2u * COLS, 3u * COLS);
    let sample = pixels / (params.height * params.width);
    let within = pixels % (params.height * params.width);
    let y = vec4<i32>(params.stride_y * (within / params.width));
    let x = vec4<i32>(params.stride_x * (within % params.width));
    locate(n + col);
    let c = m + row * ROWS;
    read_marks(c);
    for (var i = 0u; i < ROWS; i++) {
        if c + i < params.filters {
            finish(c + i, channel(c + i, sample, y, x));
        }
    }
    leave_marks(t, row, col, m, n);
}
