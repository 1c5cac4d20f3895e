// needs: reduce.wgsl
// The answer to each row of x where x lies in the ball round x0, INVALID elsewhere: one workgroup a row.

struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    eps: f32,
}

const LINF = 0u;
const L1 = 2u;
const INVALID = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> inside: array<u32>;

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
    let start = row * params.cols;
    var bits = 0u;
    var total = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let d = x[start + j] - x0[start + j];
        bits = max(bits, magnitude_bits(d));
        total += select(d * d, abs(d), params.norm == L1);
    }
    bits = largest_bits(lane, bits);
    total = sum(lane, total);
    if (lane > 0u) {
        return;
    }
    // NaN and Inf order above every eps by their bits.
    let length = select(sqrt(total), total, params.norm == L1);
    let measure = select(bitcast<u32>(length), bits, params.norm == LINF);
    let is_inside = bits < INFINITY_BITS && measure <= bitcast<u32>(params.eps);
    inside[row] = select(INVALID, predicted[row], is_inside);
}
