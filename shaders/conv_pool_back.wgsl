// needs: conv_end.wgsl, conv_window.wgsl
// From the derivative by what a pool made (the source) to the one by its input (the destination); one thread an element, which
// gathers what the windows over it give. Modes as in conv_pool.wgsl.

// The first window that may lie over the padded place `at`.
fn first_over(at: u32, kernel: u32, dilation: u32, stride: u32) -> u32 {
    let reach = (kernel - 1u) * dilation;
    if at <= reach {
        return 0u;
    }
    return (at - reach + stride - 1u) / stride;
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
    let y = i % area / params.to_cols + params.begin_y;
    let x = i % params.to_cols + params.begin_x;
    let plane = i / area * (params.rows * params.cols);
    var sum = 0.0;
    if params.adds != 0u {
        sum = add[i];
    }
    let first_row = first_over(y, params.kernel_y, params.dilation_y, params.stride_y);
    let first_col = first_over(x, params.kernel_x, params.dilation_x, params.stride_x);
    for (var row = first_row; row < params.rows && row * params.stride_y <= y; row++) {
        let below = y - row * params.stride_y;
        if below % params.dilation_y != 0u {
            continue;
        }
        for (var col = first_col; col < params.cols && col * params.stride_x <= x; col++) {
            let right = x - col * params.stride_x;
            if right % params.dilation_x != 0u {
                continue;
            }
            let place = plane + row * params.cols + col;
            if params.mode != 0u {
                sum += share(row, col, params.to_rows, params.to_cols) * source[place];
            } else if marks[params.marks + place] == below / params.dilation_y * params.kernel_x + right / params.dilation_x {
                sum += source[place];
            }
        }
    }
    to[i] = sum;
}
