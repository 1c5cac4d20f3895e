// needs: conv_tile.wgsl
// The source itself, to which the end of a layer is applied.

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
    locate(n + col);
    let c = m + row * ROWS;
    read_marks(c);
    for (var i = 0u; i < ROWS; i++) {
        if c + i < params.filters {
            let place = at + (c + i) * (params.to_rows * params.to_cols);
            var v = vec4<f32>(0.0);
            if live.x { v.x = source[place.x]; }
            if live.y { v.y = source[place.y]; }
            if live.z { v.z = source[place.z]; }
            if live.w { v.w = source[place.w]; }
            finish(c + i, v);
        }
    }
    leave_marks(t, row, col, m, n);
}
