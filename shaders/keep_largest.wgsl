// needs: reduce.wgsl
// Leaves at most `kept` elements of each row of x as they are, the largest in magnitude, and makes the others 0; one
// workgroup a row. Floats above 0 order as their bits do: a bisection of the bits finds the least that stays.

struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> kept: array<f32>;

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
    let limit = kept[row];

    // Few enough are as large as `high`, too many as large as `low`; 0 is never among them.
    var low = 0u;
    var high = 0x80000000u;
    for (var round = 0u; round < 32u; round++) {
        let middle = low + (high - low) / 2u;
        var own = 0.0;
        for (var i = first; i < end; i += 256u) {
            own += select(0.0, 1.0, magnitude_bits(x[i]) >= max(middle, 1u));
        }
        let fits = sum(lane, own) <= limit;
        high = select(high, middle, fits);
        low = select(middle, low, fits);
    }
    for (var i = first; i < end; i += 256u) {
        if (magnitude_bits(x[i]) < high) {
            x[i] = 0.0;
        }
    }
}
