// needs: philox.wgsl
// The random bits of Square Attack. Twin of square.rs.

const START: u32 = 1u;
const PROPOSAL: u32 = 2u;
// The first 128 bits of a proposal place its windows.
const FIRST_SIGN: u32 = 128u;

// Bit number `k` of a sample: `draws` is (sample id, iteration, START or PROPOSAL).
fn random_bit(seed: vec2<u32>, draws: vec3<u32>, k: u32) -> bool {
    let words = philox4x32(vec4(k / 128u, draws), seed);
    return ((words[(k / 32u) % 4u] >> (k % 32u)) & 1u) == 1u;
}

// The corner (down, across) of a window that leaves `room` pixels, from two random words.
fn random_corner(words: vec2<u32>, room: vec2<u32>) -> vec2<u32> {
    return vec2(widening_mul(words.x, room.x + 1u).x, widening_mul(words.y, room.y + 1u).x);
}

