// APGD's memory of each row and its step-size rule, one thread a row. Croce & Hein 2020, arXiv
// 2003.01690, section 3. At a checkpoint the step is halved, and the row starts again from its best
// point, where
//   (1) the loss rose in at most three quarters of the iterations since the last checkpoint, or
//   (2) the step was not halved there, and the best loss is what it was.

struct Params {
    rows: u32,
    checkpoint: u32,
    few_rises: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> previous: array<f32>;
@group(0) @binding(3) var<storage, read_write> best: array<f32>;
@group(0) @binding(4) var<storage, read_write> bar: array<f32>;
@group(0) @binding(5) var<storage, read_write> rises: array<u32>;
@group(0) @binding(6) var<storage, read_write> alpha: array<f32>;
@group(0) @binding(7) var<storage, read_write> improved: array<u32>;
@group(0) @binding(8) var<storage, read_write> restart: array<u32>;

const LOWEST: f32 = -3.40282347e+38;

// By bit pattern: WGSL implementations may assume that there is no NaN and no Inf.
fn finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

// A loss that is not finite is above nothing; a finite one is above any that is not.
fn above(a: f32, b: f32) -> bool {
    return finite(a) && (!finite(b) || a > b);
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
    let now = loss[row];
    rises[row] += u32(above(now, previous[row]));
    previous[row] = now;
    let better = above(now, best[row]);
    if (better) {
        best[row] = now;
    }
    improved[row] = u32(better);

    var halve = false;
    if (params.checkpoint != 0u) {
        halve = rises[row] <= params.few_rises || !above(best[row], bar[row]);
        if (halve) {
            alpha[row] /= 2.0;
        }
        // Rule 2 does not ask anything of a step that was just halved: every loss is above the
        // lowest.
        bar[row] = select(best[row], LOWEST, halve);
        rises[row] = 0u;
    }
    restart[row] = u32(halve);
}
