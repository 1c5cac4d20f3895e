// needs: reduce.wgsl
// The gradient of what makes a perturbation of an image seen (see shadow_slope.rs); one workgroup a row.

struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    variation: f32,
    colour: f32,
    dissimilarity: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> delta: array<f32>;
@group(0) @binding(2) var<storage, read_write> slope: array<f32>;

// How much larger an element is than its neighbours, added up.
fn varied(first: u32, j: u32) -> f32 {
    let i = first + j;
    let x = j % params.width;
    let y = j / params.width;
    var sum = 0.0;
    if (x > 0u) {
        sum += delta[i] - delta[i - 1u];
    }
    if (x + 1u < params.width) {
        sum += delta[i] - delta[i + 1u];
    }
    if (y > 0u) {
        sum += delta[i] - delta[i - params.width];
    }
    if (y + 1u < params.height) {
        sum += delta[i] - delta[i + params.width];
    }
    return sum;
}

// Of the pixel's channels the sum, and the squared differences of all pairs.
fn pixel(first: u32, j: u32, plane: u32) -> vec2<f32> {
    var total = 0.0;
    var squares = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        let d = delta[first + c * plane + j];
        total += d;
        squares += d * d;
    }
    return vec2<f32>(total, max(f32(params.channels) * squares - total * total, 0.0));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = id.x + id.y * count.x;
    if (row >= params.rows) {
        return;
    }
    let plane = params.height * params.width;
    let first = row * params.channels * plane;

    for (var c = 0u; c < params.channels; c++) {
        let start = first + c * plane;
        var own = 0.0;
        for (var j = lane; j < plane; j += 256u) {
            own += abs(delta[start + j]);
        }
        let mean = sum(lane, own) / f32(plane);
        let pull = 2.0 * params.colour * mean / f32(plane);
        for (var j = lane; j < plane; j += 256u) {
            slope[start + j] = 2.0 * params.variation * varied(start, j) + pull * sign(delta[start + j]);
        }
    }

    var own = 0.0;
    for (var j = lane; j < plane; j += 256u) {
        let unlike = pixel(first, j, plane).y;
        own += unlike * unlike;
    }
    let norm = sqrt(sum(lane, own));
    if (magnitude_bits(norm) < 0x00800000u || magnitude_bits(norm) >= INFINITY_BITS) {
        return;
    }
    for (var j = lane; j < plane; j += 256u) {
        let p = pixel(first, j, plane);
        for (var c = 0u; c < params.channels; c++) {
            let i = first + c * plane + j;
            let apart = f32(params.channels) * delta[i] - p.x;
            slope[i] += 2.0 * params.dissimilarity * p.y / norm * apart;
        }
    }
}
