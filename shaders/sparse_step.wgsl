// needs: reduce.wgsl
// x += alpha / m * sign(g) where |g| is among the `kept` largest of its row (or as large as the last of them), m of which
// are not 0; one workgroup a row. Floats above 0 order as their bits do: a bisection of the bits finds the last.

struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad: array<f32>;
@group(0) @binding(3) var<storage, read_write> kept: array<f32>;
@group(0) @binding(4) var<storage, read_write> alpha: array<f32>;

// How many magnitudes from `least` on are numbers.
fn reached(lane: u32, first: u32, end: u32, least: u32) -> f32 {
    var own = 0.0;
    for (var i = first; i < end; i += 256u) {
        let bits = magnitude_bits(grad[i]);
        own += select(0.0, 1.0, bits >= least && bits <= INFINITY_BITS);
    }
    return sum(lane, own);
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
    let first = row * params.cols + lane;
    let end = (row + 1u) * params.cols;
    let wanted = max(ceil(kept[row]), 1.0);

    // `low` is reached by as many as are wanted, if any but 0 is; `high` is not.
    var low = 1u;
    var high = INFINITY_BITS + 1u;
    for (var round = 0u; round < 31u; round++) {
        let middle = low + (high - low) / 2u;
        let enough = reached(lane, first, end, middle) >= wanted;
        low = select(low, middle, enough);
        high = select(middle, high, enough);
    }
    let step = alpha[row] / max(reached(lane, first, end, low), 1.0);
    for (var i = first; i < end; i += 256u) {
        let bits = magnitude_bits(grad[i]);
        if (bits >= low && bits <= INFINITY_BITS) {
            x[i] += select(step, -step, (bitcast<u32>(grad[i]) >> 31u) == 1u);
        }
    }
}
