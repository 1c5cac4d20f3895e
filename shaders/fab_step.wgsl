// needs: reduce.wgsl
// One step of FAB, one workgroup a row: x and x0 go a little beyond the linearised decision boundary,
// each by its least move inside the input range, and x ends between the two (see fab_step.rs).

struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    lo: f32,
    hi: f32,
}

const LINF = 0u;
const L1 = 2u;
const NEWTON_STEPS = 24u;
const BIAS = 0.1;
const OVERSHOOT = 1.05;
const LARGE = 1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> margin: array<f32>;

// The move of every element by lambda times its rate, as far as the range lets it go, down the normal
// where `down` is 1 and up where it is -1. In L1 the elements with |w| above `least`, by its bits, move as
// far as they can, those at it by `share` of that.
struct Way {
    down: f32,
    lambda: f32,
    least: u32,
    share: f32,
}

fn start_of(i: u32, clean: bool) -> f32 {
    if (clean) {
        return x0[i];
    }
    return x[i];
}

fn rate(w: f32) -> f32 {
    return select(abs(w), 1.0, params.norm == LINF);
}

fn capacity(t: f32, w: f32) -> f32 {
    if (w == 0.0) {
        return 0.0;
    }
    return max(select(params.hi - t, t - params.lo, w > 0.0), 0.0);
}

fn moved(t: f32, w: f32, way: Way) -> f32 {
    let own = w * way.down;
    if (params.norm == L1) {
        let part = select(0.0, way.share, magnitude_bits(own) == way.least);
        return -sign(own) * select(part, 1.0, magnitude_bits(own) > way.least) * capacity(t, own);
    }
    return -sign(own) * min(way.lambda * rate(own), capacity(t, own));
}

// What the elements with |w| of at least `least` bits can close of the gap.
fn reach(start: u32, lane: u32, clean: bool, scale: f32, down: f32, least: u32) -> f32 {
    var own = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let w = grad[start + j] / scale * down;
        if (magnitude_bits(w) >= least) {
            own += abs(w) * capacity(start_of(start + j, clean), w);
        }
    }
    return sum(lane, own);
}

fn solve_l1(start: u32, lane: u32, clean: bool, scale: f32, down: f32, gap: f32) -> Way {
    // What is larger than `high` does not close the gap, what is larger than `low` does.
    var low = 0u;
    var high = bitcast<u32>(1.0);
    for (var round = 0u; round < 30u; round++) {
        let middle = low + (high - low) / 2u;
        let fits = reach(start, lane, clean, scale, down, middle + 1u) <= gap;
        high = select(high, middle, fits);
        low = select(middle, low, fits);
    }
    let beyond = reach(start, lane, clean, scale, down, high + 1u);
    let size = reach(start, lane, clean, scale, down, high) - beyond;
    var share = 0.0;
    if (size > 0.0) {
        share = clamp((gap - beyond) / size, 0.0, 1.0);
    }
    return Way(down, 0.0, high, share);
}

// sum |w| min(lambda rate, capacity) rises to `gap` along straight pieces, each steeper than the next: Newton's method
// from 0 never passes the solution.
fn solve(start: u32, lane: u32, clean: bool, scale: f32, signed_gap: f32) -> Way {
    var way = Way(select(-1.0, 1.0, signed_gap >= 0.0), 0.0, 0u, 0.0);
    let gap = min(abs(signed_gap), LARGE);
    if (params.norm == L1) {
        return solve_l1(start, lane, clean, scale, way.down, gap);
    }
    for (var round = 0u; round < NEWTON_STEPS; round++) {
        var full = 0.0;
        var slope = 0.0;
        for (var j = lane; j < params.cols; j += 256u) {
            let w = grad[start + j] / scale * way.down;
            let room = capacity(start_of(start + j, clean), w);
            if (room <= way.lambda * rate(w)) {
                full += abs(w) * room;
            } else {
                slope += abs(w) * rate(w);
            }
        }
        full = sum(lane, full);
        slope = sum(lane, slope);
        if (slope > 0.0) {
            way.lambda = clamp((gap - full) / slope, way.lambda, LARGE);
        }
    }
    return way;
}

fn size(start: u32, lane: u32, clean: bool, scale: f32, way: Way) -> f32 {
    var most = 0.0;
    var total = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let d = moved(start_of(start + j, clean), grad[start + j] / scale, way);
        most = max(most, abs(d));
        total += select(d * d, abs(d), params.norm == L1);
    }
    most = largest(lane, most);
    total = sum(lane, total);
    let length = select(sqrt(total), total, params.norm == L1);
    return max(select(length, most, params.norm == LINF), 1e-8);
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
        own = max(own, magnitude_bits(grad[start + j]));
    }
    let usable = row_scale(lane, own);
    let scale = select(1.0, usable, usable > 0.0);
    var across = 0.0;
    for (var j = lane; j < params.cols; j += 256u) {
        let i = start + j;
        across += grad[i] / scale * (x0[i] - x[i]);
    }
    let gap = clamp(margin[row] / scale, -LARGE, LARGE);
    let here = solve(start, lane, false, scale, gap);
    let clean = solve(start, lane, true, scale, gap + sum(lane, across));
    let far = size(start, lane, false, scale, here);
    let alpha = min(far / (far + size(start, lane, true, scale, clean)), BIAS);
    if (usable == 0.0) {
        return;
    }

    for (var j = lane; j < params.cols; j += 256u) {
        let i = start + j;
        let w = grad[i] / scale;
        let from_here = x[i] + OVERSHOOT * moved(x[i], w, here);
        let from_clean = x0[i] + OVERSHOOT * moved(x0[i], w, clean);
        x[i] = clamp((1.0 - alpha) * from_here + alpha * from_clean, params.lo, params.hi);
    }
}
