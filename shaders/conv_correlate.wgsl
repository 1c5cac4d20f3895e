// needs: conv_tile.wgsl
// A convolution, or one phase of the way back to its input, as an implicit product of matrices: weights of filters by terms,
// times terms by pixels, where a term is a channel of the source seen through one element of the kernel. Eight terms at a
// time are staged in workgroup memory.

const TERMS = 8u;

// Weights by term, four filters each; elements of the source by term.
var<workgroup> factors: array<vec4<f32>, 2u * FILTERS>;
var<workgroup> seen: array<f32, 8u * PIXELS>;

var<private> s0: vec4<f32>;
var<private> s1: vec4<f32>;
var<private> s2: vec4<f32>;
var<private> s3: vec4<f32>;
var<private> s4: vec4<f32>;
var<private> s5: vec4<f32>;
var<private> s6: vec4<f32>;
var<private> s7: vec4<f32>;

// Where a pixel looks at the source: from which element, row and column.
struct Eye {
    from_: i32,
    y: i32,
    x: i32,
    live: bool,
}

fn eye(n: u32, group: u32) -> Eye {
    let sample = n / (params.height * params.width);
    let within = n % (params.height * params.width);
    let y = params.stride_y * (within / params.width);
    let x = params.stride_x * (within % params.width);
    let channel = sample * params.channels + group * (params.channels / params.groups);
    let first = (channel * params.rows + y) * params.cols + x;
    return Eye(i32(first), i32(y), i32(x), n < all_pixels());
}

fn look(eye: Eye, tap: vec4<i32>) -> f32 {
    let y = eye.y + tap.y;
    let x = eye.x + tap.z;
    if eye.live && u32(y) < params.rows && u32(x) < params.cols {
        return source[u32(eye.from_ + tap.x)];
    }
    return 0.0;
}

fn multiply(k: u32, row: u32, col: u32) {
    let b = k * PIXELS + col;
    let v = vec4<f32>(seen[b], seen[b + COLS], seen[b + 2u * COLS], seen[b + 3u * COLS]);
    let w = k * (FILTERS / 4u) + row * (ROWS / 4u);
    let f = factors[w];
    s0 = fma(vec4<f32>(f.x), v, s0);
    s1 = fma(vec4<f32>(f.y), v, s1);
    s2 = fma(vec4<f32>(f.z), v, s2);
    s3 = fma(vec4<f32>(f.w), v, s3);
    if ROWS == 8u {
        let g = factors[w + 1u];
        s4 = fma(vec4<f32>(g.x), v, s4);
        s5 = fma(vec4<f32>(g.y), v, s5);
        s6 = fma(vec4<f32>(g.z), v, s6);
        s7 = fma(vec4<f32>(g.w), v, s7);
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = id.x + id.y * count.x;
    let filters = params.filters / params.groups;
    let tiles = (filters + FILTERS - 1u) / FILTERS;
    let group = number / tiles % params.groups;
    let m = number % tiles * FILTERS;
    let n = number / (tiles * params.groups) * PIXELS;
    if n >= all_pixels() {
        return;
    }
    // With more pixels than threads, a thread looks from two of them in turn.
    let eyes = array<Eye, 2>(eye(n + t % PIXELS, group), eye(n + (t + 256u) % PIXELS, group));
    let padded = (params.depth + TERMS - 1u) / TERMS * TERMS;
    let weights = params.weights + (group * padded * tiles * FILTERS + m) / 4u;
    let row = t / COLS;
    let col = t % COLS;
    for (var k = 0u; k < padded; k += TERMS) {
        for (var i = t; i < TERMS * FILTERS / 4u; i += 256u) {
            let term = i / (FILTERS / 4u);
            let place = weights + (k + term) * (tiles * FILTERS / 4u) + i % (FILTERS / 4u);
            factors[i] = bitcast<vec4<f32>>(constants[place]);
        }
        for (var i = 0u; i < TERMS * PIXELS / 256u; i++) {
            let place = t + 256u * i;
            let tap = bitcast<vec4<i32>>(constants[params.taps + k + place / PIXELS]);
            if i % 2u == 0u {
                seen[place] = look(eyes[0], tap);
            } else {
                seen[place] = look(eyes[1], tap);
            }
        }
        workgroupBarrier();
        multiply(0u, row, col);
        multiply(1u, row, col);
        multiply(2u, row, col);
        multiply(3u, row, col);
        multiply(4u, row, col);
        multiply(5u, row, col);
        multiply(6u, row, col);
        multiply(7u, row, col);
        workgroupBarrier();
    }
    locate(n + col);
    let c = m + row * ROWS;
    let first = group * filters + c;
    read_marks(first);
    if c < filters { finish(first, s0); }
    if c + 1u < filters { finish(first + 1u, s1); }
    if c + 2u < filters { finish(first + 2u, s2); }
    if c + 3u < filters { finish(first + 3u, s3); }
    if ROWS == 8u {
        if c + 4u < filters { finish(first + 4u, s4); }
        if c + 5u < filters { finish(first + 5u, s5); }
        if c + 6u < filters { finish(first + 6u, s6); }
        if c + 7u < filters { finish(first + 7u, s7); }
    }
    leave_marks(t, row, col, group * filters + m, n);
}
