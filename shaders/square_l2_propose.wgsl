// needs: philox.wgsl, square.wgsl, reduce.wgsl
// Square Attack's proposal in the L2 and the L1 ball, one workgroup a row. Of two random windows the second is
// emptied; its share of the length, and what is left of eps, goes to the first, whose content
// becomes its old direction plus the pattern. In L2 the whole is scaled to length eps, then clipped.
// Andriushchenko et al. 2020, arXiv 1912.00049, algorithm 3.

struct Params {
    seed: vec2<u32>,
    iteration: u32,
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    l1: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> best: array<f32>;
@group(0) @binding(2) var<storage, read_write> x0: array<f32>;
@group(0) @binding(3) var<storage, read_write> ids: array<u32>;
// Two windows: the pattern, and the pattern turned. Each has length 1.
@group(0) @binding(4) var<storage, read_write> patterns: array<f32>;
@group(0) @binding(5) var<storage, read_write> candidate: array<f32>;

// Keeps the quotient by the length of nothing finite.
const GUARD: f32 = 1e-12;
// Length below which the sum of two directions of length 1 is only rounding.
const CANCELLED: f32 = 1e-3;

fn in_window(corner: vec2<u32>, pixel: u32) -> bool {
    let place = vec2(pixel / params.width, pixel % params.width);
    let size = vec2(params.window_height, params.window_width);
    return all(place >= corner) && all(place < corner + size);
}

fn perturbation(i: u32) -> f32 {
    return best[i] - x0[i];
}

// What a length is the root of: squares in L2, magnitudes in L1.
fn measure(value: f32) -> f32 {
    return select(value * value, abs(value), params.l1 != 0u);
}

fn root(total: f32) -> f32 {
    return select(sqrt(total), total, params.l1 != 0u);
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
    let plane = params.height * params.width;
    let begin = row * params.channels * plane;
    let end = begin + params.channels * plane;
    let window = params.window_height * params.window_width;
    let room = vec2(params.height - params.window_height, params.width - params.window_width);

    let draws = vec3(ids[row], params.iteration, PROPOSAL);
    let places = philox4x32(vec4(0u, draws), params.seed);
    let filled = random_corner(places.xy, room);
    let emptied = random_corner(places.zw, room);
    let pattern = window * u32(random_bit(params.seed, draws, FIRST_SIGN));

    var total = 0.0;
    for (var i = begin + lane; i < end; i += 256u) {
        total += measure(perturbation(i));
    }
    let left = max(measure(params.eps) - sum(lane, total), 0.0);
    let unused = left / f32(params.channels);
    let times = select(1.0, f32(params.channels), params.l1 != 0u);

    var new_total = 0.0;
    for (var channel = 0u; channel < params.channels; channel++) {
        let origin = begin + channel * plane;
        let sign = select(-1.0, 1.0, random_bit(params.seed, draws, FIRST_SIGN + 1u + channel));

        var in_filled = 0.0;
        var in_either = 0.0;
        for (var pixel = lane; pixel < plane; pixel += 256u) {
            let part = measure(perturbation(origin + pixel));
            if (in_window(filled, pixel)) {
                in_filled += part;
                in_either += part;
            } else if (in_window(emptied, pixel)) {
                in_either += part;
            }
        }
        var keep = 1.0 / (GUARD + root(sum(lane, in_filled)));
        let length = times * root(unused + sum(lane, in_either));

        total = 0.0;
        for (var j = lane; j < window; j += 256u) {
            let place = filled + vec2(j / params.window_width, j % params.window_width);
            let old = keep * perturbation(origin + place.x * params.width + place.y);
            let direction = sign * patterns[pattern + j] + old;
            total += measure(direction);
        }
        var own_length = root(sum(lane, total));
        if (own_length < CANCELLED) {
            keep = 0.0;
            own_length = 1.0;
        }
        let scale = length / own_length;

        for (var pixel = lane; pixel < plane; pixel += 256u) {
            var delta = perturbation(origin + pixel);
            if (in_window(filled, pixel)) {
                let place = vec2(pixel / params.width, pixel % params.width) - filled;
                let bump = sign * patterns[pattern + place.x * params.window_width + place.y];
                delta = scale * (bump + keep * delta);
            } else if (in_window(emptied, pixel)) {
                delta = 0.0;
            }
            candidate[origin + pixel] = delta;
            new_total += measure(delta);
        }
    }

    let whole = params.eps / (GUARD + root(sum(lane, new_total)));
    let stretch = select(whole, 1.0, params.l1 != 0u);
    // A lane reads back only what it wrote itself: it walks each channel's pixels as above.
    for (var channel = 0u; channel < params.channels; channel++) {
        let origin = begin + channel * plane;
        for (var pixel = lane; pixel < plane; pixel += 256u) {
            let i = origin + pixel;
            candidate[i] = clamp(x0[i] + stretch * candidate[i], params.lo, params.hi);
        }
    }
}
