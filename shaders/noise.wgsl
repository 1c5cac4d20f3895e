// needs: philox.wgsl, normal.wgsl
// Random numbers for every element of a sample (see noise.rs for the kinds). One thread four elements.

struct Params {
    key: vec2<u32>,
    rows: u32,
    cols: u32,
    stream: u32,
    kind: u32,
}

const NORMAL = 0u;
const UNIFORM = 1u;
const PURPOSE = 2u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> drawn: array<f32>;

fn numbers(w: vec4<u32>) -> vec4<f32> {
    switch params.kind {
        case NORMAL: { return vec4(normal_pair(w.x, w.y), normal_pair(w.z, w.w)); }
        case UNIFORM: { return vec4(unit(w.x), unit(w.y), unit(w.z), unit(w.w)); }
        default: { return select(vec4(1.0), vec4(-1.0), (w >> vec4(31u)) == vec4(0u)); }
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    let blocks = (params.cols + 3u) / 4u;
    let row = i / blocks;
    if (row >= params.rows) {
        return;
    }
    let block = i % blocks;
    let z = numbers(philox4x32(vec4(block, ids[row], params.stream, PURPOSE), params.key));
    for (var k = 0u; k < min(4u, params.cols - 4u * block); k++) {
        drawn[row * params.cols + 4u * block + k] = z[k];
    }
}
