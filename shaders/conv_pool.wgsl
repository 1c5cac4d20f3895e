// needs: conv_end.wgsl, conv_window.wgsl
// The largest (mode 0) or the mean of each window, which counts padding (mode 1) or not (mode 2); one thread an element. What
// was the largest goes to the tape, as the element of the window.

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
) {
    let i = id.x + id.y * count.x * 256u;
    let area = params.to_rows * params.to_cols;
    if i >= params.batch * params.filters * area {
        return;
    }
    let y = i % area / params.to_cols;
    let x = i % params.to_cols;
    let plane = i / area * (params.rows * params.cols);
    var best = 0.0;
    var pick = NONE;
    var sum = 0.0;
    for (var ky = 0u; ky < params.kernel_y; ky++) {
        let row = y * params.stride_y + ky * params.dilation_y - params.begin_y;
        if row >= params.rows {
            continue;
        }
        for (var kx = 0u; kx < params.kernel_x; kx++) {
            let col = x * params.stride_x + kx * params.dilation_x - params.begin_x;
            if col >= params.cols {
                continue;
            }
            let v = source[plane + row * params.cols + col];
            sum += v;
            if pick == NONE || v > best || is_nan(v) {
                best = v;
                pick = ky * params.kernel_x + kx;
            }
        }
    }
    if params.mode == 0u {
        to[i] = best;
        marks[params.marks + i] = pick;
        return;
    }
    to[i] = sum * share(y, x, params.rows, params.cols);
}
