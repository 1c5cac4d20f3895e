// needs: reduce.wgsl
// The smallest t >= 0 of each row for which what is left of |x| above t is at most its limit: the sum of max(|x| - t, 0),
// or the count of |x| > t; one workgroup a row. Floats above 0 order as their bits do, so a bisection of the bits is exact.

struct Params {
    rows: u32,
    cols: u32,
    kind: u32,
}

const SOFT = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> limits: array<f32>;
@group(0) @binding(3) var<storage, read_write> thresholds: array<f32>;

fn left(lane: u32, first: u32, end: u32, t: f32) -> f32 {
    var total = 0.0;
    for (var i = first; i < end; i += 256u) {
        let v = abs(x[i]);
        if (v > t) {
            total += select(1.0, v - t, params.kind == SOFT);
        }
    }
    return sum(lane, total);
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
    let limit = limits[row];

    var bits = 0u;
    for (var i = first; i < end; i += 256u) {
        bits = max(bits, magnitude_bits(x[i]));
    }
    let top = largest_bits(lane, bits);
    let whole = left(lane, first, end, 0.0);

    // `high` satisfies, `low` does not.
    var low = 0u;
    var high = top;
    for (var round = 0u; round < 31u; round++) {
        let middle = low + (high - low) / 2u;
        let fits = left(lane, first, end, bitcast<f32>(middle)) <= limit;
        high = select(high, middle, fits);
        low = select(middle, low, fits);
    }
    if (lane == 0u) {
        thresholds[row] = select(bitcast<f32>(high), 0.0, whole <= limit || top >= INFINITY_BITS);
    }
}
