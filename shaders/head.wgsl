// A classifier's head, one thread a row of logits z with label y: the loss to be maximised, its
// gradient, the margin z_y - max_{j != y} z_j, and the predicted class (see head.rs). A targeted loss
// has labels of two columns, the label and the target.

struct Params {
    rows: u32,
    classes: u32,
    labels_cols: u32,
    loss: u32,
}

const CROSS_ENTROPY = 0u;
const MARGIN = 1u;
const DLR = 2u;
const TARGETED_MARGIN = 3u;
const INVALID = 0xffffffffu;
const LARGEST = 0x1.fffffep+127f;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> margin: array<f32>;
@group(0) @binding(5) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(6) var<storage, read_write> dlogits: array<f32>;

// The classes of the four largest logits, the lower class first among equals; INVALID in `first`
// where a logit is Inf or NaN, and behind the last where there are fewer classes.
struct Top {
    first: u32,
    second: u32,
    third: u32,
    fourth: u32,
}

fn top_of(start: u32) -> Top {
    let none = Top(INVALID, INVALID, INVALID, INVALID);
    var top = none;
    for (var j = 0u; j < params.classes; j++) {
        let z = logits[start + j];
        if ((bitcast<u32>(z) & 0x7fffffffu) >= 0x7f800000u) {
            return none;
        }
        if (top.first == INVALID || z > logits[start + top.first]) {
            top = Top(j, top.first, top.second, top.third);
        } else if (top.second == INVALID || z > logits[start + top.second]) {
            top = Top(top.first, j, top.second, top.third);
        } else if (top.third == INVALID || z > logits[start + top.third]) {
            top = Top(top.first, top.second, j, top.third);
        } else if (top.fourth == INVALID || z > logits[start + top.fourth]) {
            top.fourth = j;
        }
    }
    return top;
}

// z_rival - z_y.
fn difference(start: u32, y: u32, rival: u32) -> f32 {
    dlogits[start + y] -= 1.0;
    dlogits[start + rival] += 1.0;
    return logits[start + rival] - logits[start + y];
}

// The same over the distance of the first class to the mean of two others.
fn ratio_loss(start: u32, y: u32, rival: u32, first: u32, one: u32, other: u32) -> f32 {
    let mean = 0.5 * (logits[start + one] + logits[start + other]);
    let spread = logits[start + first] - mean + 1e-12;
    let ratio = (logits[start + y] - logits[start + rival]) / spread;
    dlogits[start + y] -= 1.0 / spread;
    dlogits[start + rival] += 1.0 / spread;
    dlogits[start + first] += ratio / spread;
    dlogits[start + one] -= 0.5 * ratio / spread;
    dlogits[start + other] -= 0.5 * ratio / spread;
    return -ratio;
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
    let y = labels[row * params.labels_cols];
    let target_class = labels[(row + 1u) * params.labels_cols - 1u];
    let top = top_of(start);

    for (var j = 0u; j < params.classes; j++) {
        dlogits[start + j] = 0.0;
    }
    if (top.first == INVALID || max(y, target_class) >= params.classes) {
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
        loss[row] = difference(start, y, rival);
    } else if (params.loss == TARGETED_MARGIN) {
        loss[row] = difference(start, y, target_class);
    } else if (params.loss == DLR) {
        loss[row] = ratio_loss(start, y, rival, top.first, top.third, top.third);
    } else {
        loss[row] = ratio_loss(start, y, target_class, top.first, top.third, top.fourth);
    }
}
