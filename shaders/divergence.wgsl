// slope = softmax(z) - softmax(from), one thread a row of logits; 0 where either holds Inf or NaN.

struct Params {
    rows: u32,
    classes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> from_logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> slope: array<f32>;

fn finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
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
    let end = start + params.classes;
    var usable = true;
    var peak = logits[start];
    var from_peak = from_logits[start];
    for (var i = start; i < end; i++) {
        usable = usable && finite(logits[i]) && finite(from_logits[i]);
        peak = max(peak, logits[i]);
        from_peak = max(from_peak, from_logits[i]);
    }
    if (!usable) {
        for (var i = start; i < end; i++) {
            slope[i] = 0.0;
        }
        return;
    }
    var total = 0.0;
    var from_total = 0.0;
    for (var i = start; i < end; i++) {
        total += exp(logits[i] - peak);
        from_total += exp(from_logits[i] - from_peak);
    }
    for (var i = start; i < end; i++) {
        slope[i] = exp(logits[i] - peak) / total - exp(from_logits[i] - from_peak) / from_total;
    }
}
