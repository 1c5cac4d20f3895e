// Copies words of source, from one place on, to a place of copied, whatever the words mean.

struct Params {
    words: u32,
    from_word: u32,
    to_word: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> copied: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Four words a thread, so that several are on their way at once.
    let first = (id.x + id.y * count.x) * 1024u + lane;
    for (var k = 0u; k < 4u; k++) {
        let i = first + k * 256u;
        if (i < params.words) {
            copied[params.to_word + i] = source[params.from_word + i];
        }
    }
}
