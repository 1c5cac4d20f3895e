// needs: philox.wgsl, square.wgsl
// Square Attack's start in the L2 and the L1 ball: a centred grid of square tiles, each with the attack's
// pattern, turned at random and with a random sign for each channel. One thread an element.
// Andriushchenko et al. 2020, arXiv 1912.00049, section 3.4.

struct Params {
    seed: vec2<u32>,
    rows: u32,
    cols: u32,
    height: u32,
    width: u32,
    tile: u32,
    scale: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x0: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
// Two tiles: the pattern, and the pattern turned.
@group(0) @binding(3) var<storage, read_write> patterns: array<f32>;
@group(0) @binding(4) var<storage, read_write> candidate: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (id.x + id.y * count.x) * 256u + lane;
    if (i >= params.rows * params.cols) {
        return;
    }
    let element = i % params.cols;
    let size = vec2(params.height, params.width);
    let plane = size.x * size.y;
    let tiles = size / params.tile;
    let grid = tiles * params.tile;
    // A pixel above or left of the grid wraps round to a huge number, so that one comparison finds
    // all outside.
    let pixel = vec2((element % plane) / size.y, element % size.y) - (size - grid) / 2u;

    var value = x0[i];
    if (all(pixel < grid)) {
        let draws = vec3(ids[i / params.cols], 0u, START);
        let tile = pixel / params.tile;
        let first_bit = (tile.x * tiles.y + tile.y) * (params.cols / plane + 1u);
        let turned = u32(random_bit(params.seed, draws, first_bit));
        let up = random_bit(params.seed, draws, first_bit + 1u + element / plane);
        let place = pixel % params.tile;
        let bump = patterns[(turned * params.tile + place.x) * params.tile + place.y];
        value += params.scale * select(-bump, bump, up);
    }
    candidate[i] = clamp(value, params.lo, params.hi);
}
