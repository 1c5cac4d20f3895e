// needs: reduce.wgsl
// A norm of each row of a or a - b (see reduce_rows.rs); one workgroup a row.

struct Params {
    rows: u32,
    cols: u32,
    pairing: u32,
    kind: u32,
}

const ALONE = 0u;

const L1 = 0u;
const L2 = 1u;
const L0 = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> reduced: array<f32>;

fn value(i: u32) -> f32 {
    switch params.pairing {
        case ALONE: { return a[i]; }
        default: { return a[i] - b[i]; }
    }
}

// The row's numbers are divided by the largest before they are squared or added, so that neither overflows nor underflows.
fn norm(lane: u32, first: u32, end: u32) -> f32 {
    var bits = 0u;
    for (var i = first; i < end; i += 256u) {
        bits = max(bits, magnitude_bits(value(i)));
    }
    let top = largest_bits(lane, bits);
    let scale = bitcast<f32>(top);
    let usable = top >= 0x00800000u && top < INFINITY_BITS;
    var partial_sum = 0.0;
    if (usable) {
        for (var i = first; i < end; i += 256u) {
            let v = abs(value(i)) / scale;
            switch params.kind {
                case L2: { partial_sum += v * v; }
                case L0: { partial_sum += select(0.0, 1.0, magnitude_bits(value(i)) > 0u); }
                default: { partial_sum += v; }
            }
        }
    }
    let total = sum(lane, partial_sum);
    if (!usable) {
        return scale;
    }
    switch params.kind {
        case L1: { return total * scale; }
        case L2: { return sqrt(total) * scale; }
        case L0: { return total; }
        default: { return scale; }
    }
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
    let result = norm(lane, first, end);
    if (lane == 0u) {
        reduced[row] = result;
    }
}
