// The label of each row and the class that comes `rank` places behind the most likely of the others, one
// thread a row of logits; the lower class first among equals (see rivals.rs).

struct Params {
    rows: u32,
    classes: u32,
    rank: u32,
}

const INVALID = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> pairs: array<u32>;

fn is_finite(start: u32) -> bool {
    for (var j = 0u; j < params.classes; j++) {
        if ((bitcast<u32>(logits[start + j]) & 0x7fffffffu) >= 0x7f800000u) {
            return false;
        }
    }
    return true;
}

// The first of the classes that come after `before`, the label left out.
fn next(start: u32, y: u32, before: u32) -> u32 {
    var best = INVALID;
    for (var j = 0u; j < params.classes; j++) {
        let z = logits[start + j];
        var after = j != y;
        if (before != INVALID) {
            let bar = logits[start + before];
            after = after && (z < bar || (z == bar && j > before));
        }
        if (after) {
            if (best == INVALID) {
                best = j;
            } else if (z > logits[start + best]) {
                best = j;
            }
        }
    }
    return best;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (id.x + id.y * count.x) * 256u + lane;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.classes;
    let y = labels[row];
    var rival = INVALID;
    if (y < params.classes && is_finite(start)) {
        for (var place = 0u; place <= params.rank; place++) {
            rival = next(start, y, rival);
        }
    }
    pairs[2u * row] = y;
    pairs[2u * row + 1u] = rival;
}
