// 1 where the predicted class is the one asked about, 0 where it is another, INVALID where there is none.

struct Params {
    rows: u32,
    class_: u32,
}

const INVALID = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(2) var<storage, read_write> answers: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
) {
    let row = id.x + id.y * count.x * 256u;
    if (row >= params.rows) {
        return;
    }
    let class_here = predicted[row];
    let answer = select(0u, 1u, class_here == params.class_);
    answers[row] = select(answer, INVALID, class_here == INVALID);
}
