// needs: flow.wgsl
// flow += added, each edge's by as much as the pixel that it leaves has above lo and the one that it enters below hi: a share
// of what all edges want of that pixel. One thread an edge.

@group(0) @binding(1) var<storage, read_write> flow: array<f32>;
@group(0) @binding(2) var<storage, read_write> added: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

// What is added takes out of a pixel (x) and brings to it (y). `right` is the edge to its right.
fn wanted(pixel: u32, right: u32) -> vec2<f32> {
    let below = right + params.pixels;
    var both = vec2<f32>(0.0, 0.0);
    if (has_above(pixel)) {
        let s = added[below - params.width];
        both += vec2<f32>(max(-s, 0.0), max(s, 0.0));
    }
    if (has_left(pixel)) {
        let s = added[right - 1u];
        both += vec2<f32>(max(-s, 0.0), max(s, 0.0));
    }
    if (has_right(pixel)) {
        let s = added[right];
        both += vec2<f32>(max(s, 0.0), max(-s, 0.0));
    }
    if (has_below(pixel)) {
        let s = added[below];
        both += vec2<f32>(max(s, 0.0), max(-s, 0.0));
    }
    return both;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let edge = (id.x + id.y * count.x) * 256u + lane;
    let edges = 2u * params.pixels;
    if (edge >= params.rows * edges) {
        return;
    }
    let row = edge / edges;
    let down = edge % edges >= params.pixels;
    let pixel = edge % params.pixels;
    if (select(!has_right(pixel), !has_below(pixel), down)) {
        return;
    }
    let s = added[edge];
    let other = pixel + select(1u, params.width, down);
    let forth = s > 0.0;
    let source = select(other, pixel, forth);
    let sink = select(pixel, other, forth);
    let out = wanted(source, row * edges + source).x;
    let in_ = wanted(sink, row * edges + sink).y;
    let has = x[row * params.pixels + source] - params.lo;
    let room = params.hi - x[row * params.pixels + sink];
    var share = 1.0;
    if (out > has) {
        share = has / out;
    }
    if (in_ > room) {
        share = min(share, room / in_);
    }
    flow[edge] += max(share, 0.0) * s;
}
