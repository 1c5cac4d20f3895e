// needs: philox.wgsl
// Input diversity (see resize_pad.rs), a thread a pixel: each image shrunk by bilinear interpolation and set at a random place
// on black; or the transpose of that, for gradients.

struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    least_height: u32,
    least_width: u32,
    key_low: u32,
    key_high: u32,
    stream: u32,
    transposed: u32,
    probability: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

// How much pixel `from` of `full` gives to pixel `to` of `size`.
fn weight(from_pixel: u32, full: u32, to: u32, size: u32) -> f32 {
    let place = (f32(to) + 0.5) * f32(full) / f32(size) - 0.5;
    return max(0.0, 1.0 - abs(place - f32(from_pixel)));
}

// The first of four pixels of one side that those of the other may lie between.
fn first(at: u32, full: u32, size: u32) -> u32 {
    let place = i32(floor((f32(at) + 0.5) * f32(full) / f32(size) - 0.5));
    return u32(max(place - 1, 0));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    let plane = params.height * params.width;
    let cols = params.channels * plane;
    if (i >= params.rows * cols) {
        return;
    }
    let key = vec2(params.key_low, params.key_high);
    let draw = philox4x32(vec4(0u, ids[i / cols], params.stream, 2u), key);
    if (unit(draw.x) >= params.probability) {
        result[i] = source[i];
        return;
    }
    let size = unit(draw.y);
    let high = params.least_height + u32(size * f32(params.height - params.least_height));
    let wide = params.least_width + u32(size * f32(params.width - params.least_width));
    let top = u32(unit(draw.z) * f32(params.height - high + 1u));
    let left = u32(unit(draw.w) * f32(params.width - wide + 1u));

    let row = i / params.width % params.height;
    let column = i % params.width;
    let base = i - i % plane;
    var total = 0.0;
    if (params.transposed != 0u) {
        let r0 = first(row, high, params.height);
        let c0 = first(column, wide, params.width);
        for (var r = r0; r < min(r0 + 4u, high); r++) {
            let down = weight(row, params.height, r, high);
            for (var c = c0; c < min(c0 + 4u, wide); c++) {
                let across = weight(column, params.width, c, wide);
                total += down * across * source[base + (top + r) * params.width + left + c];
            }
        }
    } else if (row >= top && row < top + high && column >= left && column < left + wide) {
        let r0 = first(row - top, params.height, high);
        let c0 = first(column - left, params.width, wide);
        for (var r = r0; r < min(r0 + 4u, params.height); r++) {
            let down = weight(r, params.height, row - top, high);
            for (var c = c0; c < min(c0 + 4u, params.width); c++) {
                let across = weight(c, params.width, column - left, wide);
                total += down * across * source[base + r * params.width + c];
            }
        }
    }
    result[i] = total;
}
