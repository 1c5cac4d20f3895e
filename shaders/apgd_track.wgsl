// APGD's memory of each row and its step-size rule, one thread a row. Croce & Hein 2020, arXiv
// 2003.01690, section 3. At a checkpoint the step is halved, and the row starts again from its best
// point, where
//   (1) the loss rose in at most three quarters of the iterations since the last checkpoint, or
//   (2) the step was not halved there, and the best loss is what it was.

struct Params {
    rows: u32,
    moment: u32,
    few_rises: u32,
}

// The last loss, the best, what the best must exceed at the next checkpoint, and how often the loss rose since the last.
struct Losses {
    last: f32,
    best: f32,
    bar: f32,
    rises: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> losses: array<Losses>;
@group(0) @binding(3) var<storage, read_write> alpha: array<f32>;
@group(0) @binding(4) var<storage, read_write> improved: array<u32>;
@group(0) @binding(5) var<storage, read_write> left: array<u32>;
@group(0) @binding(6) var<storage, read_write> restart: array<u32>;

const START: u32 = 0u;
const CHECKPOINT: u32 = 2u;
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
    if (params.moment == START) {
        losses[row] = Losses(now, now, LOWEST, 0.0);
        improved[row] = 1u;
        left[row] = 0u;
        restart[row] = 0u;
        return;
    }
    var kept = losses[row];
    kept.rises += f32(above(now, kept.last));
    kept.last = now;
    let better = above(now, kept.best);
    if (better) {
        kept.best = now;
    }
    left[row] = u32(improved[row] == 1u && !better);
    improved[row] = u32(better);

    var halve = false;
    if (params.moment == CHECKPOINT) {
        halve = kept.rises <= f32(params.few_rises) || !above(kept.best, kept.bar);
        if (halve) {
            alpha[row] /= 2.0;
        }
        // Rule 2 does not ask anything of a step that was just halved: every loss is above the
        // lowest.
        kept.bar = select(kept.best, LOWEST, halve);
        kept.rises = 0.0;
    }
    restart[row] = u32(halve && !better);
    losses[row] = kept;
}
