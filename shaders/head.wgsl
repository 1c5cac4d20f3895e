// A classifier's head, one thread a row of logits z with label y: the loss to be maximised, its
// gradient, the margin z_y - max_{j != y} z_j, and the predicted class (see head.rs).

struct Params {
    rows: u32,
    classes: u32,
    loss: u32,
}

const CROSS_ENTROPY = 0u;
const MARGIN = 1u;
const DLR = 2u;
const INVALID = 0xffffffffu;
const LARGEST = 0x1.fffffep+127f;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> margin: array<f32>;
@group(0) @binding(5) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(6) var<storage, read_write> dlogits: array<f32>;

// The classes of the three largest logits, the lower class first among equals; INVALID in `first`
// where a logit is Inf or NaN, and in `third` where there are two classes only.
struct Top {
    first: u32,
    second: u32,
    third: u32,
}

fn top_of(start: u32) -> Top {
    var top = Top(INVALID, INVALID, INVALID);
    for (var j = 0u; j < params.classes; j++) {
        let z = logits[start + j];
        if ((bitcast<u32>(z) & 0x7fffffffu) >= 0x7f800000u) {
            return Top(INVALID, INVALID, INVALID);
        }
        if (top.first == INVALID || z > logits[start + top.first]) {
            top = Top(j, top.first, top.second);
        } else if (top.second == INVALID || z > logits[start + top.second]) {
            top = Top(top.first, j, top.second);
        } else if (top.third == INVALID || z > logits[start + top.third]) {
            top.third = j;
        }
    }
    return top;
}

// log(1 + x) for x >= 0, also where 1 + x rounds.
fn log1p(x: f32) -> f32 {
    return select(log(1.0 + x), x - 0.5 * x * x, x < 0x1p-12f);
}

// The exponentials of the other classes are summed without the label's, so that a confident row
// keeps a loss and a gradient: p_y - 1 = -others / total.
fn cross_entropy(start: u32, y: u32, top: Top) -> f32 {
    let peak = logits[start + top.first];
    let own = exp(logits[start + y] - peak);
    var others = 0.0;
    for (var j = 0u; j < params.classes; j++) {
        if (j != y) {
            others += exp(logits[start + j] - peak);
        }
    }
    let total = own + others;
    for (var j = 0u; j < params.classes; j++) {
        dlogits[start + j] = select(exp(logits[start + j] - peak), -others, j == y) / total;
    }
    if (y == top.first) {
        return log1p(others);
    }
    return log(total) + (peak - logits[start + y]);
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
    let top = top_of(start);

    for (var j = 0u; j < params.classes; j++) {
        dlogits[start + j] = 0.0;
    }
    if (top.first == INVALID || y >= params.classes) {
        predicted[row] = INVALID;
        loss[row] = -LARGEST;
        margin[row] = LARGEST;
        return;
    }

    let rival = select(top.first, top.second, top.first == y);
    let lead = logits[start + y] - logits[start + rival];
    predicted[row] = top.first;
    margin[row] = lead;

    if (params.loss == CROSS_ENTROPY) {
        loss[row] = cross_entropy(start, y, top);
    } else if (params.loss == MARGIN) {
        loss[row] = -lead;
        dlogits[start + y] = -1.0;
        dlogits[start + rival] = 1.0;
    } else {
        let spread = logits[start + top.first] - logits[start + top.third] + 1e-12;
        let ratio = lead / spread;
        loss[row] = -ratio;
        dlogits[start + y] -= 1.0 / spread;
        dlogits[start + rival] += 1.0 / spread;
        dlogits[start + top.first] += ratio / spread;
        dlogits[start + top.third] -= ratio / spread;
    }
}
