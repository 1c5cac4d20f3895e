// needs: conv_end.wgsl
// The weight of an element of a mean: padding counts (mode 1), but not what a rounded-up output lays beyond it, or does not
// (mode 2).

fn within(place: u32, stride: u32, kernel: u32, dilation: u32, begin: u32, size: u32, end: u32) -> u32 {
    var count = 0u;
    for (var k = 0u; k < kernel; k++) {
        let at = place * stride + k * dilation;
        let inside = at >= begin && at < begin + size;
        count += u32(select(inside, at < begin + size + end, params.mode == 1u));
    }
    return count;
}

// The part that each element has of the mean at (y, x) over rows x cols.
fn share(y: u32, x: u32, rows: u32, cols: u32) -> f32 {
    let down = within(y, params.stride_y, params.kernel_y, params.dilation_y, params.begin_y, rows, params.end_y);
    let right = within(x, params.stride_x, params.kernel_x, params.dilation_x, params.begin_x, cols, params.end_x);
    return 1.0 / f32(max(down * right, 1u));
}
