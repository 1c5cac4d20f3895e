// The valid sample nearest to each row of x, in a table's terms (see valid.rs): one thread a row.

struct Params {
    rows: u32,
    cols: u32,
    // 0: only the range of each element; 1: steps and one-hot groups, too; 2: and within the ball.
    depth: u32,
    norm: u32,
    eps: f32,
}

const LINF = 0u;
const L2 = 1u;
const L1 = 2u;
const L0 = 3u;
const BOX = 0u;
const INSIDE = 2u;
const RISE = 1u;
const FALL = 2u;
const BETWEEN = 1e-3;
const ROUNDING = 1.2e-7;
const LARGEST = 0x7f7fffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
// Of each element: levels, what it may, the length of the group that begins here.
@group(0) @binding(3) var<storage, read_write> elements: array<u32>;
@group(0) @binding(4) var<storage, read_write> valid: array<f32>;

// The elements of the group that begins at j, 1 for a number.
fn length_at(j: u32) -> u32 {
    return min(max(elements[3u * j + 2u], 1u), params.cols - j);
}

// Into the range that the element may have; what is not finite returns to the clean value.
fn boxed(start: u32, j: u32) -> f32 {
    let value = x[start + j];
    let clean = x0[start + j];
    let may = elements[3u * j + 1u];
    if ((bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u) {
        return clean;
    }
    let low = select(clean, 0.0, (may & FALL) != 0u);
    let high = select(clean, 1.0, (may & RISE) != 0u);
    return min(max(value, low), high);
}

// The last step between the clean value and value, not beyond it.
fn stepped(value: f32, clean: f32, levels: u32) -> f32 {
    if (levels == 0u) {
        return value;
    }
    let n = f32(levels);
    let from_step = floor(clean * n + 0.5);
    let moved = value * n - from_step;
    let steps = sign(moved) * floor(abs(moved) + BETWEEN + n * ROUNDING);
    if (steps == 0.0) {
        return clean;
    }
    return (from_step + steps) / n;
}

fn clean_category(start: u32, first: u32, length: u32) -> u32 {
    var clean = 0u;
    for (var k = 1u; k < length; k += 1u) {
        if (x0[start + first + k] > x0[start + first + clean]) {
            clean = k;
        }
    }
    return clean;
}

// Leaves in the first two places of each group how far its strongest other category leads, -1 where it does not, and
// which one that is.
fn note_leads(start: u32) {
    var j = 0u;
    while (j < params.cols) {
        let length = length_at(j);
        if (length > 1u) {
            let clean = clean_category(start, j, length);
            var other = select(0u, 1u, clean == 0u);
            for (var k = 0u; k < length; k += 1u) {
                if (k != clean && x[start + j + k] > x[start + j + other]) {
                    other = k;
                }
            }
            let lead = x[start + j + other] - x[start + j + clean];
            let leads = elements[3u * j + 1u] != 0u && lead >= 0.0 && bitcast<u32>(lead) <= LARGEST;
            valid[start + j] = select(-1.0, lead, leads);
            valid[start + j + 1u] = f32(other);
        }
        j += length;
    }
}

// The weight of what begins at j by its bits: the lead of a group, or the move of a number; 0 where there is none.
fn weight(start: u32, j: u32, length: u32, groups: bool) -> u32 {
    if (groups != (length > 1u)) {
        return 0u;
    }
    if (groups) {
        // Leads may be 0: above every absent one.
        let lead = valid[start + j];
        return select(0u, bitcast<u32>(abs(lead)) + 1u, lead >= 0.0);
    }
    return bitcast<u32>(abs(boxed(start, j) - x0[start + j]));
}

fn heavier(start: u32, limit: u32, groups: bool) -> u32 {
    var count = 0u;
    var j = 0u;
    while (j < params.cols) {
        let length = length_at(j);
        count += select(0u, 1u, weight(start, j, length, groups) > limit);
        j += length;
    }
    return count;
}

// The least limit above which there are at most `room` weights.
fn limit_for(start: u32, room: u32, groups: bool) -> u32 {
    var low = 0u;
    var high = LARGEST + 1u;
    while (low < high) {
        let middle = low + (high - low) / 2u;
        if (heavier(start, middle, groups) <= room) {
            high = middle;
        } else {
            low = middle + 1u;
        }
    }
    return low;
}

// How many groups may leave their category within the ball.
fn groups_within() -> u32 {
    if (params.depth != INSIDE) {
        return LARGEST;
    }
    if (params.norm == LINF) {
        return select(0u, LARGEST, params.eps >= 1.0);
    }
    let room = select(params.eps, params.eps * params.eps, params.norm == L2);
    return u32(min(room * 0.5 * (1.0 + ROUNDING), 1e9));
}

// Writes the groups, of which those that lead most change; how many.
fn write_groups(start: u32) -> u32 {
    let room = groups_within();
    let limit = limit_for(start, room, true);
    var ties = room - min(room, heavier(start, limit, true));
    var changed = 0u;
    var j = 0u;
    while (j < params.cols) {
        let length = length_at(j);
        if (length > 1u) {
            let mine = weight(start, j, length, true);
            let tied = mine > 0u && mine == limit && ties > 0u;
            ties -= select(0u, 1u, tied);
            let gone = mine > limit || tied;
            changed += select(0u, 1u, gone);
            let hot = select(clean_category(start, j, length), u32(valid[start + j + 1u]), gone);
            for (var k = 0u; k < length; k += 1u) {
                valid[start + j + k] = select(0.0, 1.0, k == hot);
            }
        }
        j += length;
    }
    return changed;
}

// How long the moves of the numbers are together.
fn moved(start: u32) -> f32 {
    var total = 0.0;
    var j = 0u;
    while (j < params.cols) {
        let length = length_at(j);
        if (length == 1u) {
            let d = abs(boxed(start, j) - x0[start + j]);
            total += select(d, d * d, params.norm == L2);
        }
        j += length;
    }
    return select(total, sqrt(total), params.norm == L2);
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
    let start = row * params.cols;
    if (params.depth == BOX) {
        for (var j = 0u; j < params.cols; j += 1u) {
            valid[start + j] = boxed(start, j);
        }
        return;
    }
    note_leads(start);
    let taken = 2.0 * f32(write_groups(start));
    let inside = params.depth == INSIDE;
    // What the groups leave to the numbers.
    var shrink = 1.0;
    if (inside && (params.norm == L2 || params.norm == L1)) {
        let left = max(select(params.eps, params.eps * params.eps, params.norm == L2) - taken, 0.0);
        let room = select(left, sqrt(left), params.norm == L2);
        let length = moved(start);
        if (length > room) {
            shrink = room / length;
        }
    }
    var limit = 0u;
    var ties = 0u;
    if (inside && params.norm == L0) {
        let room = u32(max(params.eps - taken, 0.0));
        limit = limit_for(start, room, false);
        ties = room - min(room, heavier(start, limit, false));
    }
    var j = 0u;
    while (j < params.cols) {
        let length = length_at(j);
        if (length == 1u) {
            let clean = x0[start + j];
            var value = boxed(start, j);
            if (inside && params.norm == LINF) {
                value = min(max(value, clean - params.eps), clean + params.eps);
            }
            if (limit > 0u) {
                let mine = weight(start, j, 1u, false);
                let tied = mine == limit && ties > 0u;
                ties -= select(0u, 1u, tied);
                if (mine < limit || (mine == limit && !tied)) {
                    value = clean;
                }
            }
            if (shrink < 1.0) {
                value = clean + (value - clean) * shrink;
            }
            valid[start + j] = stepped(value, clean, elements[3u * j]);
        }
        j += length;
    }
}
