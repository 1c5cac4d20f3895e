// The edges of an image's grid: that from each pixel to the one on its right, then that from each pixel to the one below. An
// edge that would leave the image joins nothing. Included by the shaders of flow.rs.

struct Params {
    rows: u32,
    pixels: u32,
    height: u32,
    width: u32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn has_right(pixel: u32) -> bool {
    return pixel % params.width + 1u < params.width;
}

fn has_below(pixel: u32) -> bool {
    return pixel / params.width % params.height + 1u < params.height;
}

fn has_left(pixel: u32) -> bool {
    return pixel % params.width > 0u;
}

fn has_above(pixel: u32) -> bool {
    return pixel / params.width % params.height > 0u;
}
