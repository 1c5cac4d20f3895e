// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// four random words as a pure function of a counter and a key. Twin of philox.rs.

// The full product of two words: (high, low). WGSL has no 64-bit integers.
fn widening_mul(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let carry = (middle & 0xffffu) + a0 * b1;
    return vec2(a1 * b1 + (middle >> 16u) + (carry >> 16u), a * b);
}

fn philox4x32(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let p0 = widening_mul(0xD2511F53u, c.x);
        let p1 = widening_mul(0xCD9E8D57u, c.z);
        c = vec4(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
        k += vec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// A word as a number in [0, 1): its upper 24 bits, so that every value is exact in f32.
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * 0x1p-24f;
}
