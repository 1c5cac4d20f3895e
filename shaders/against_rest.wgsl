// A classifier as one class against the rest: of a row of scores the largest of the other classes and the class's own,
// both NaN where a score is Inf or NaN. One thread a row.

struct Params {
    rows: u32,
    classes: u32,
    class_: u32,
}

const NAN_BITS = 0x7fc00000u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
) {
    let row = id.x + id.y * count.x * 256u;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.classes;
    var largest = 0u;
    var found = false;
    var finite = true;
    for (var j = 0u; j < params.classes; j++) {
        let bits = scores[start + j];
        finite = finite && (bits & 0x7fffffffu) < 0x7f800000u;
        if (j != params.class_ && (!found || bitcast<f32>(bits) > bitcast<f32>(largest))) {
            largest = bits;
            found = true;
        }
    }
    // Bits and not floats: a NaN that is written as a float may arrive as another number.
    pairs[2u * row] = select(NAN_BITS, largest, finite);
    pairs[2u * row + 1u] = select(NAN_BITS, scores[start + params.class_], finite);
}
