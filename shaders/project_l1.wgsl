// needs: reduce.wgsl
// Moves each row of x to the nearest point of the L1 ball of its radius round x0, cut with [lo, hi]; one workgroup a row:
// x = x0 + sign(d) min(max(|d| - t, 0), room), d = x - x0 (see project_l1.rs).

struct Params {
    rows: u32,
    cols: u32,
    lo: f32,
    hi: f32,
}

const ROUNDS = 48u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> radius: array<f32>;

fn change(i: u32) -> f32 {
    if (magnitude_bits(x[i]) >= INFINITY_BITS) {
        return 0.0;
    }
    return x[i] - x0[i];
}

fn room(i: u32, d: f32) -> f32 {
    return max(select(x0[i] - params.lo, params.hi - x0[i], d > 0.0), 0.0);
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
    let limit = radius[row];

    var top = 0.0;
    for (var i = first; i < end; i += 256u) {
        top = max(top, abs(change(i)));
    }
    // What is left at t falls along straight pieces: Newton's method, kept in the bracket by a halving every other round.
    var low = 0.0;
    var high = largest(lane, top);
    var t = 0.0;
    for (var round = 0u; round < ROUNDS; round++) {
        var left = 0.0;
        var slope = 0.0;
        for (var i = first; i < end; i += 256u) {
            let d = change(i);
            let own = room(i, d);
            let rest = max(abs(d) - t, 0.0);
            left += min(rest, own);
            slope += select(0.0, 1.0, rest > 0.0 && rest < own);
        }
        left = sum(lane, left);
        slope = sum(lane, slope);
        if (left > limit) {
            low = t;
        } else {
            high = t;
        }
        let newton = t + (left - limit) / max(slope, 1.0);
        let inside = slope > 0.0 && newton > low && newton < high;
        t = select(low + 0.5 * (high - low), newton, inside && round % 2u == 0u);
    }
    t = high;

    for (var i = first; i < end; i += 256u) {
        let d = change(i);
        let step = sign(d) * min(max(abs(d) - t, 0.0), room(i, d));
        x[i] = clamp(x0[i] + step, params.lo, params.hi);
    }
}
