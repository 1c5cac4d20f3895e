// needs: conv_end.wgsl
// The product of two values, which keeps both on the tape, one after the other; one thread an element. In mode 1 the second
// (`add`) has one pixel, a factor for each channel.

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
) {
    let i = id.x + id.y * count.x * 256u;
    let area = params.to_rows * params.to_cols;
    let all = params.batch * params.filters * area;
    if i >= all {
        return;
    }
    let j = select(i, i / area, params.mode == 1u);
    let factors = vec2<f32>(source[i], add[j]);
    to[i] = factors.x * factors.y;
    marks[params.numbers + i] = bitcast<u32>(factors.x);
    if params.mode != 1u || i % area == 0u {
        marks[params.numbers + all + j] = bitcast<u32>(factors.y);
    }
}
