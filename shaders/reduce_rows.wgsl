// needs: reduce.wgsl
// One number a row of a, a - b or a * b: its sum or a norm (see reduce_rows.rs); one workgroup a row.

struct Params {
    rows: u32,
    cols: u32,
    pairing: u32,
    kind: u32,
}

const ALONE = 0u;
const DIFFERENCE = 1u;

const SUM = 0u;
const L0 = 1u;
const L1 = 2u;
const L2 = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> reduced: array<f32>;

fn value(i: u32) -> f32 {
    switch params.pairing {
        case ALONE: { return a[i]; }
        case DIFFERENCE: { return a[i] - b[i]; }
        default: { return a[i] * b[i]; }
    }
}

// The row's numbers are divided by the largest before they are squared or added, so that neither overflows nor underflows.
fn norm(lane: u32, first: u32, end: u32) -> f32 {
    var bits = 0u;
    for (var i = first; i < end; i += 256u) {
        bits = max(bits, magnitude_bits(value(i)));
    }
    let top = largest_bits(lane, bits);
    let scale = bitcast<f32>(min(top, LARGE_BITS));
    let usable = top >= 0x00800000u && top < INFINITY_BITS;
    var partial_sum = 0.0;
    if (usable) {
        for (var i = first; i < end; i += 256u) {
            let v = abs(value(i)) / scale;
            partial_sum += select(v, v * v, params.kind == L2);
        }
    }
    let total = sum(lane, partial_sum);
    if (!usable) {
        return bitcast<f32>(top);
    }
    switch params.kind {
        case L1: { return total * scale; }
        case L2: { return sqrt(total) * scale; }
        default: { return bitcast<f32>(top); }
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
    var result = 0.0;
    if (params.kind <= L0) {
        var total = 0.0;
        for (var i = first; i < end; i += 256u) {
            let v = value(i);
            if (params.kind == SUM) {
                total += v;
            } else if (magnitude_bits(v) != 0u) {
                total += 1.0;
            }
        }
        result = sum(lane, total);
    } else {
        result = norm(lane, first, end);
    }
    if (lane == 0u) {
        reduced[row] = result;
    }
}
