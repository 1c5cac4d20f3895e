// Reductions over a workgroup of 256 threads by a tree of fixed order: the same bits on every run.
// Every thread of the workgroup must call them, and every thread gets the result.

var<workgroup> partial: array<f32, 256>;

fn sum(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (lane < half) {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
}

fn largest(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (lane < half) {
            partial[lane] = max(partial[lane], partial[lane + half]);
        }
        workgroupBarrier();
    }
    let result = partial[0];
    workgroupBarrier();
    return result;
}

// The bits of |x|, which order as |x| does, with Inf and NaN on top: shaders may take neither for
// granted as numbers.
const INFINITY_BITS = 0x7f800000u;

fn magnitude_bits(x: f32) -> u32 {
    return bitcast<u32>(x) & 0x7fffffffu;
}

var<workgroup> partial_bits: array<u32, 256>;

fn largest_bits(lane: u32, bits: u32) -> u32 {
    partial_bits[lane] = bits;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (lane < half) {
            partial_bits[lane] = max(partial_bits[lane], partial_bits[lane + half]);
        }
        workgroupBarrier();
    }
    let result = partial_bits[0];
    workgroupBarrier();
    return result;
}

// The largest magnitude by which a device divides well, and by a product with it: 2^100.
const LARGE_BITS = 0x71800000u;

// What a gradient row is divided by before it is squared or summed, so that neither overflows nor
// underflows: its largest magnitude. 0 where the row cannot be normalised: all zero (or below the normal
// floats, which devices may flush), beyond 2^100, or Inf or NaN in it.
fn row_scale(lane: u32, own_largest_bits: u32) -> f32 {
    let bits = largest_bits(lane, own_largest_bits);
    return select(0.0, bitcast<f32>(bits), bits >= 0x00800000u && bits <= LARGE_BITS);
}
