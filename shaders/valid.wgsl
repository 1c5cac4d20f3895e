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
const BOX = 0u;
const INSIDE = 2u;
const RISE = 1u;
const FALL = 2u;
const BETWEEN = 1e-3;
const ROUNDING = 1.2e-7;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
// Of each element: levels, what it may, the length of the group that begins here.
@group(0) @binding(3) var<storage, read_write> elements: array<u32>;
@group(0) @binding(4) var<storage, read_write> valid: array<f32>;

// Into the range that the element may have; what is not finite returns to the clean value.
fn boxed(value: f32, clean: f32, may: u32) -> f32 {
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

// The category of the clean sample, the strongest other one, and how far that one leads, in a group.
struct Choice {
    clean: u32,
    other: u32,
    lead: f32,
}

fn choice(start: u32, first: u32, length: u32) -> Choice {
    var clean = 0u;
    for (var k = 1u; k < length; k += 1u) {
        if (x0[start + first + k] > x0[start + first + clean]) {
            clean = k;
        }
    }
    var other = select(0u, 1u, clean == 0u);
    for (var k = 0u; k < length; k += 1u) {
        if (k != clean && x[start + first + k] > x[start + first + other]) {
            other = k;
        }
    }
    let lead = x[start + first + other] - x[start + first + clean];
    return Choice(clean, other, lead);
}

// Whether a group leaves its category: its other one leads, and few groups lead by more.
fn leaves(start: u32, first: u32, length: u32, budget: u32) -> bool {
    let mine = choice(start, first, length);
    if (elements[3u * first + 1u] == 0u || !(mine.lead >= 0.0)) {
        return false;
    }
    if (params.depth != INSIDE) {
        return true;
    }
    var ahead = 0u;
    var j = 0u;
    while (j < params.cols) {
        let other = max(elements[3u * j + 2u], 1u);
        if (other > 1u && j != first && elements[3u * j + 1u] != 0u) {
            let lead = choice(start, j, other).lead;
            if (lead >= 0.0 && (lead > mine.lead || (lead == mine.lead && j < first))) {
                ahead += 1u;
            }
        }
        j += other;
    }
    return ahead < budget;
}

// How many groups may leave their category within the ball.
fn groups_within() -> u32 {
    if (params.norm == LINF) {
        return select(0u, 0xffffffffu, params.eps >= 1.0);
    }
    let room = select(params.eps, params.eps * params.eps, params.norm == L2);
    return u32(min(room * 0.5 * (1.0 + ROUNDING), 1e9));
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
    let budget = groups_within();
    var changed = 0u;
    var total = 0.0;
    var j = 0u;
    while (j < params.cols) {
        let length = min(max(elements[3u * j + 2u], 1u), params.cols - j);
        if (length > 1u && params.depth != BOX) {
            let mine = choice(start, j, length);
            let gone = leaves(start, j, length, budget);
            changed += select(0u, 1u, gone);
            let hot = select(mine.clean, mine.other, gone);
            for (var k = 0u; k < length; k += 1u) {
                valid[start + j + k] = select(0.0, 1.0, k == hot);
            }
            j += length;
            continue;
        }
        let clean = x0[start + j];
        let value = boxed(x[start + j], clean, elements[3u * j + 1u]);
        valid[start + j] = value;
        let moved = abs(value - clean);
        if (params.norm == L2) {
            total += moved * moved;
        } else if (params.norm == L1) {
            total += moved;
        } else if (params.norm != LINF) {
            total += select(0.0, 1.0, moved > 0.0);
        }
        j += 1u;
    }
    if (params.depth == BOX) {
        return;
    }
    // What the groups leave to the numbers.
    var shrink = 1.0;
    var room = 0.0;
    if (params.depth == INSIDE) {
        let taken = 2.0 * f32(changed);
        if (params.norm == L2) {
            room = sqrt(max(params.eps * params.eps - taken, 0.0));
            total = sqrt(total);
        } else {
            room = max(params.eps - taken, 0.0);
        }
        if (params.norm == LINF) {
            room = params.eps;
        } else if (params.norm == L2 || params.norm == L1) {
            if (total > room) {
                shrink = room / total;
            }
        }
    }
    let sparse = params.depth == INSIDE && params.norm > L1 && total > floor(room);
    j = 0u;
    while (j < params.cols) {
        let length = min(max(elements[3u * j + 2u], 1u), params.cols - j);
        if (length > 1u) {
            j += length;
            continue;
        }
        let clean = x0[start + j];
        var value = boxed(x[start + j], clean, elements[3u * j + 1u]);
        if (params.depth == INSIDE && params.norm == LINF) {
            value = min(max(value, clean - room), clean + room);
        }
        if (sparse && larger(start, j) >= u32(room)) {
            value = clean;
        }
        if (shrink < 1.0) {
            value = clean + (value - clean) * shrink;
        }
        valid[start + j] = stepped(value, clean, elements[3u * j]);
        j += 1u;
    }
}

// How many numbers of the row move by more than that at j.
fn larger(start: u32, j: u32) -> u32 {
    let moved = abs(boxed(x[start + j], x0[start + j], elements[3u * j + 1u]) - x0[start + j]);
    if (moved == 0.0) {
        return 0xffffffffu;
    }
    var count = 0u;
    var k = 0u;
    while (k < params.cols) {
        let length = max(elements[3u * k + 2u], 1u);
        if (length == 1u) {
            let other = abs(boxed(x[start + k], x0[start + k], elements[3u * k + 1u]) - x0[start + k]);
            if (other > moved || (other == moved && k < j)) {
                count += 1u;
            }
        }
        k += length;
    }
    return count;
}
