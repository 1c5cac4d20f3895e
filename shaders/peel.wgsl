// The adjoint of paste.wgsl: what an element of a patch has of the derivative by the images that it lies on. One thread
// an element of the patches, over the pixels that can lie within one of it.

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
@group(0) @binding(1) var<storage, read_write> images: array<f32>;
@group(0) @binding(2) var<storage, read_write> places: array<f32>;
@group(0) @binding(3) var<storage, read_write> looks: array<f32>;
@group(0) @binding(4) var<storage, read_write> peeled: array<f32>;

// How much of the pixel at `at` is the element at `element`, of elements up to `last`.
fn share(at: f32, element: f32, last: f32) -> f32 {
    return max(1.0 - abs(clamp(at, 0.0, last) - element), 0.0);
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
    let patch_plane = params.patch_height * params.patch_width;
    let row = i / (params.channels * patch_plane);
    let element_y = f32((i % patch_plane) / params.patch_width);
    let element_x = f32(i % params.patch_width);
    let last_y = f32(params.patch_height) - 1.0;
    let last_x = f32(params.patch_width) - 1.0;
    let a = looks[3u * row];
    let b = looks[3u * row + 1u];
    let light = looks[3u * row + 2u];
    let square = 1.0 / (a * a + b * b);
    let from_y = element_y - 0.5 * last_y;
    let from_x = element_x - 0.5 * last_x;
    let centre_y = places[2u * row] + square * (a * from_y - b * from_x);
    let centre_x = places[2u * row + 1u] + square * (b * from_y + a * from_x);
    let reach = 1.5 * sqrt(square);
    let first_row = clamp(ceil(centre_y - reach), 0.0, f32(params.height));
    let end_row = clamp(floor(centre_y + reach) + 1.0, 0.0, f32(params.height));
    let first_column = clamp(ceil(centre_x - reach), 0.0, f32(params.width));
    let end_column = clamp(floor(centre_x + reach) + 1.0, 0.0, f32(params.width));
    let plane = (i / patch_plane) * params.height * params.width;
    var sum = 0.0;
    for (var r = u32(first_row); r < u32(end_row); r++) {
        for (var c = u32(first_column); c < u32(end_column); c++) {
            let down = f32(r) - places[2u * row];
            let right = f32(c) - places[2u * row + 1u];
            let y = 0.5 * last_y + a * down + b * right;
            let x = 0.5 * last_x + a * right - b * down;
            if (y >= -0.5 && x >= -0.5 && y < last_y + 0.5 && x < last_x + 0.5) {
                let weight = share(y, element_y, last_y) * share(x, element_x, last_x);
                sum += weight * images[plane + r * params.width + c];
            }
        }
    }
    peeled[i] = light * sum;
}
