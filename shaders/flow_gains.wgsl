// needs: flow.wgsl
// What a unit of mass gains along each edge, from its pixel to the other; 0 where no mass can go the way that gains, or the
// gain is not finite. One thread an edge.

@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> gains: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let edge = (id.x + id.y * count.x) * 256u + lane;
    if (edge >= params.rows * 2u * params.pixels) {
        return;
    }
    gains[edge] = 0.0;
    let down = edge / params.pixels % 2u == 1u;
    let pixel = edge % params.pixels;
    if (select(!has_right(pixel), !has_below(pixel), down)) {
        return;
    }
    let here = edge / params.pixels / 2u * params.pixels + pixel;
    let there = here + select(1u, params.width, down);
    let gain = gradient[there] - gradient[here];
    let source = select(there, here, gain > 0.0);
    let sink = select(here, there, gain > 0.0);
    let finite = (bitcast<u32>(gain) & 0x7f800000u) != 0x7f800000u;
    if (finite && x[source] > params.lo && x[sink] < params.hi) {
        gains[edge] = gain;
    }
}
