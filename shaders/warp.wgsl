// Images turned and moved, by bilinear interpolation (see warp.rs). One thread an element.

struct Params {
    elements: u32,
    height: u32,
    width: u32,
    cosine: f32,
    sine: f32,
    down: f32,
    right: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> images: array<f32>;
@group(0) @binding(2) var<storage, read_write> warped: array<f32>;

fn pixel(first: u32, y: f32, x: f32) -> f32 {
    if (y < 0.0 || x < 0.0 || y >= f32(params.height) || x >= f32(params.width)) {
        return 0.0;
    }
    return images[first + u32(y) * params.width + u32(x)];
}

fn line(first: u32, y: f32, left: f32, share: f32) -> f32 {
    return (1.0 - share) * pixel(first, y, left) + share * pixel(first, y, left + 1.0);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.elements) {
        return;
    }
    let plane = params.height * params.width;
    let middle = 0.5 * (f32(params.height) - 1.0);
    let centre = 0.5 * (f32(params.width) - 1.0);
    let y = f32((i % plane) / params.width) - middle - params.down;
    let x = f32(i % params.width) - centre - params.right;
    let from_y = middle + params.cosine * y + params.sine * x;
    let from_x = centre + params.cosine * x - params.sine * y;
    let top = floor(from_y);
    let left = floor(from_x);
    let first = (i / plane) * plane;
    let above = line(first, top, left, from_x - left);
    let below = line(first, top + 1.0, left, from_x - left);
    warped[i] = (1.0 - (from_y - top)) * above + (from_y - top) * below;
}
