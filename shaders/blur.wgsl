// blurred = a Gaussian of source along one axis of each image, with zeros around: output i of a line is the sum of
// weights[k] * source[i + k - side / 2].

struct Params {
    elements: u32,
    // Elements along the axis, and from one to the next.
    length: u32,
    stride: u32,
    side: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> blurred: array<f32>;

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
    let place = i / params.stride % params.length;
    let first = i - place * params.stride;
    let half = params.side / 2u;
    var sum = 0.0;
    for (var k = 0u; k < params.side; k++) {
        let at = place + k;
        if (at >= half && at - half < params.length) {
            sum += weights[k] * source[first + (at - half) * params.stride];
        }
    }
    blurred[i] = sum;
}
