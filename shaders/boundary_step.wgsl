// needs: reduce.wgsl
// One step of Brendel and Bethge's attack, one workgroup a row: x goes to the point nearest to x0 that lies on the linearised
// boundary, within an L2 radius and the input range (see boundary_step.rs).

struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    lo: f32,
    hi: f32,
    radius: f32,
}

const LINF = 0u;
const L2 = 1u;
const L1 = 2u;
const L0 = 3u;
const OUTER = 14u;
const INNER = 20u;
const EXACT = 1e-4;
const NEAR = 1e-2;
const LARGE = 1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> normal: array<f32>;
@group(0) @binding(4) var<storage, read_write> gap: array<f32>;

// The row: where it starts, what its normal is divided by, and the gap that is left to close.
struct Problem {
    start: u32,
    lane: u32,
    scale: f32,
    gap: f32,
}

// How far a move goes: along the normal in gaps, and its length in radii.
struct Reach {
    lambda: f32,
    // The lambda that the elements to be changed are chosen by, in L0.
    chosen: f32,
    along: f32,
    length: f32,
}

fn weight_of(share: f32, top: f32) -> f32 {
    switch params.norm {
        case LINF: { return (1.0 - share) * top; }
        case L2: { return share; }
        case L1: { return share / (1.0 - share) * top; }
        default: { return share / (1.0 - share) * top * top; }
    }
}

fn least(i: u32, v: f32, chosen: f32, weight: f32) -> f32 {
    let d = x0[i] - x[i];
    let low = params.lo - x[i];
    let high = params.hi - x[i];
    switch params.norm {
        case LINF: { return min(max(v, max(low, d - weight)), min(high, d + weight)); }
        case L2: { return min(max(weight * d + v, low), high); }
        case L1: { return min(max(min(max(d, v - weight), v + weight), low), high); }
        default: {
            let z = min(max(chosen, low), high);
            let dearer = (d - z) * (d + z - 2.0 * chosen);
            return select(min(max(v, low), high), d, dearer < 2.0 * weight);
        }
    }
}

// An element of the move that reaches so far.
fn element(p: Problem, i: u32, r: Reach, weight: f32) -> f32 {
    let b = normal[i] / p.scale;
    return least(i, r.lambda * b, r.chosen * b, weight);
}

fn reach(p: Problem, lambda: f32, chosen: f32, weight: f32) -> Reach {
    var along = 0.0;
    var length = 0.0;
    for (var j = p.lane; j < params.cols; j += 256u) {
        let b = normal[p.start + j] / p.scale;
        let m = least(p.start + j, lambda * b, chosen * b, weight);
        along += b * m;
        length += m * m;
    }
    along = sum(p.lane, along);
    length = sum(p.lane, length);
    return Reach(lambda, chosen, along / p.gap, sqrt(length) / params.radius);
}

fn value(r: Reach, limited: bool) -> f32 {
    return select(r.along, max(r.along, r.length), limited);
}

fn between(near: vec2<f32>, far: vec2<f32>, round: u32) -> f32 {
    let secant = (1.0 - near.y) / (far.y - near.y);
    let usable = round % 2u == 0u && secant > 0.0 && secant < 1.0;
    return near.x + select(0.5, secant, usable) * (far.x - near.x);
}

// From `first` on, in L0 with the elements that it chooses if they are `fixed`.
fn meet(p: Problem, squares: f32, weight: f32, limited: bool, first: f32, fixed: bool) -> Reach {
    var best = reach(p, first, first, weight);
    var step = (1.0 - value(best, limited)) * p.gap / squares;
    let up = step >= 0.0;
    var near = vec2<f32>(first, value(best, limited));
    var far = near;
    var enclosed = false;
    for (var round = 0u; round < INNER; round++) {
        let lambda = clamp(select(near.x + step, between(near, far, round), enclosed), -LARGE, LARGE);
        let here = reach(p, lambda, select(lambda, first, fixed), weight);
        let v = value(here, limited);
        // Once it is exact it stays.
        if (abs(value(best, limited) - 1.0) > EXACT) {
            if ((v < 1.0) == up) {
                near = vec2<f32>(lambda, v);
                step *= 4.0;
            } else {
                far = vec2<f32>(lambda, v);
                enclosed = true;
            }
            if (abs(v - 1.0) < abs(value(best, limited) - 1.0)) {
                best = here;
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
    let row = id.x + id.y * count.x;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.cols;

    var own = 0u;
    for (var j = lane; j < params.cols; j += 256u) {
        own = max(own, magnitude_bits(normal[start + j]));
    }
    let usable = row_scale(lane, own);
    let size = select(1.0, usable, usable > 0.0);
    let scale = select(size, -size, gap[row] < 0.0);
    let p = Problem(start, lane, scale, clamp(gap[row] / scale, 1.0 / LARGE, LARGE));
    var squares = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let b = normal[start + j] / scale;
        squares += b * b;
    }
    squares = sum(lane, squares);

    var weight = select(0.0, LARGE, params.norm == LINF);
    var best = meet(p, squares, weight, true, 0.0, false);
    let solvable = abs(best.along - 1.0) <= NEAR;
    // The largest distance from the clean sample that the shortest move leaves in an element.
    var top = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let i = start + j;
        top = max(top, abs(x0[i] - x[i] - element(p, i, best, weight)));
    }
    top = largest(lane, top);
    var share = 0.0;
    var above = 1.0;
    for (var round = 0u; round < OUTER; round++) {
        let middle = 0.5 * (share + above);
        let tried = weight_of(middle, top);
        var there = meet(p, squares, tried, false, best.lambda, false);
        if (params.norm == L0) {
            there = meet(p, squares, tried, false, there.lambda, true);
        }
        if (abs(there.along - 1.0) <= NEAR && there.length <= 1.0 + EXACT) {
            if (solvable) {
                share = middle;
                weight = tried;
                best = there;
            }
        } else {
            above = middle;
        }
    }
    if (usable == 0.0) {
        return;
    }

    for (var j = lane; j < params.cols; j += 256u) {
        let i = start + j;
        let step = element(p, i, best, weight);
        let whole = step == x0[i] - x[i];
        x[i] = select(clamp(x[i] + step, params.lo, params.hi), x0[i], whole);
    }
}
