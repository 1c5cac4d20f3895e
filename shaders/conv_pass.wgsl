// needs: conv_end.wgsl
// The source itself, to which the end of a layer is applied.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let c = find((id.x + id.y * count.x) * 256u + t);
    read_marks(c);
    for (var i = c; i < min(c + 8u, params.filters); i++) {
        finish(i, four(at + i * (params.to_rows * params.to_cols)));
    }
    leave_marks(c);
}
