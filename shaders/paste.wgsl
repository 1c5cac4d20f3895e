// A patch laid over each image, turned, scaled and dimmed (see paste.rs). One thread an element of the images.

struct Params {
    elements: u32,
    channels: u32,
    height: u32,
    width: u32,
    patch_height: u32,
    patch_width: u32,
    darkest: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> patches: array<f32>;
@group(0) @binding(2) var<storage, read_write> images: array<f32>;
@group(0) @binding(3) var<storage, read_write> places: array<f32>;
@group(0) @binding(4) var<storage, read_write> looks: array<f32>;
@group(0) @binding(5) var<storage, read_write> pasted: array<f32>;

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
    let row = i / (params.channels * plane);
    let channel = (i / plane) % params.channels;
    let down = f32((i % plane) / params.width) - places[2u * row];
    let right = f32(i % params.width) - places[2u * row + 1u];
    let a = looks[3u * row];
    let b = looks[3u * row + 1u];
    let light = looks[3u * row + 2u];
    let y = 0.5 * (f32(params.patch_height) - 1.0) + a * down + b * right;
    let x = 0.5 * (f32(params.patch_width) - 1.0) + a * right - b * down;
    let last_y = f32(params.patch_height) - 1.0;
    let last_x = f32(params.patch_width) - 1.0;
    if (!(y >= -0.5 && x >= -0.5 && y < last_y + 0.5 && x < last_x + 0.5)) {
        pasted[i] = images[i];
        return;
    }
    let from_y = clamp(y, 0.0, last_y);
    let from_x = clamp(x, 0.0, last_x);
    let top = floor(from_y);
    let left = floor(from_x);
    let share_y = from_y - top;
    let share_x = from_x - left;
    let first = (row * params.channels + channel) * params.patch_height * params.patch_width;
    let above = first + u32(top) * params.patch_width;
    let below = first + u32(min(top + 1.0, last_y)) * params.patch_width;
    let near = u32(left);
    let far = u32(min(left + 1.0, last_x));
    let upper = (1.0 - share_x) * patches[above + near] + share_x * patches[above + far];
    let lower = (1.0 - share_x) * patches[below + near] + share_x * patches[below + far];
    let value = (1.0 - share_y) * upper + share_y * lower;
    pasted[i] = params.darkest + light * (value - params.darkest);
}
