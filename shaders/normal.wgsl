// needs: philox.wgsl
// Two independent standard normal numbers from two random words (Box and Muller 1958). Twin of
// normal.rs.
//
// The logarithm, sine and cosine are polynomials (Cephes, single precision) because WGSL's own may
// be off by 2^-11, and a start must be the same on every device.

// ln(x) for normal x > 0.
fn precise_ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var exponent = f32(i32(bits >> 23u) - 126);
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
    if (m < 0.70710677) {
        m = m + m;
        exponent -= 1.0;
    }
    let t = m - 1.0;
    let z = t * t;
    var p = 7.0376836e-2;
    p = p * t - 1.1514610e-1;
    p = p * t + 1.1676998e-1;
    p = p * t - 1.2420141e-1;
    p = p * t + 1.4249323e-1;
    p = p * t - 1.6668057e-1;
    p = p * t + 2.0000714e-1;
    p = p * t - 2.4999994e-1;
    p = p * t + 3.333333e-1;
    let tail = p * t * z - 2.1219444e-4 * exponent - 0.5 * z;
    return (t + tail) + 0.693359375 * exponent;
}

// (cos, sin) of a full turn times u, for u in [0, 1).
fn precise_turn(u: f32) -> vec2<f32> {
    let quarter = floor(u * 4.0 + 0.5);
    let a = (u * 4.0 - quarter) * 1.5707964;
    let z = a * a;
    let s = a + a * z * ((-1.9515296e-4 * z + 8.3321609e-3) * z - 1.6666655e-1);
    let c = 1.0 - 0.5 * z + z * z * ((2.4433157e-5 * z - 1.3887316e-3) * z + 4.1666646e-2);
    switch u32(quarter) & 3u {
        case 0u: { return vec2(c, s); }
        case 1u: { return vec2(-s, c); }
        case 2u: { return vec2(-c, -s); }
        default: { return vec2(s, -c); }
    }
}

fn normal_pair(first: u32, second: u32) -> vec2<f32> {
    let u = unit(first) + 0x1p-24f;
    return sqrt(-2.0 * precise_ln(u)) * precise_turn(unit(second));
}
