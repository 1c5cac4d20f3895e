// needs: conv_end.wgsl
// A convolution, or one phase of the way back to its input. A workgroup makes FILTERS channels of SAMPLES patches of HIGH x
// WIDE pixels. For STAGED channels and TAPS_Y rows of the kernel at a time it stages the weights and what the patches see of
// the source, edges included, so that an element is fetched once for all taps; then each thread slides down its strip.
// Threads beyond STRIPS times FILTERS / ROWS only stage.

override FILTERS: u32 = 8;
override WIDE: u32 = 32;
override HIGH: u32 = 32;
override SAMPLES: u32 = 1;
override STAGED: u32 = 1;
override TAPS_Y: u32 = 3;
override TAPS_X: u32 = 3;
override DILATION_Y: u32 = 1;
override DILATION_X: u32 = 1;
override STRIDE_Y: u32 = 1;
override STRIDE_X: u32 = 1;
// From a staged row of the source to the next: the stride where rows of the kernel come one by one, otherwise 1.
override STEP_Y: u32 = 1;
// Staged elements from a row to the next.
override PITCH: u32 = 34;

override STRIPS: u32 = SAMPLES * (HIGH / 4u) * WIDE;
const THREADS = 256u;
// Staged rows from a pixel to the one below.
override DOWN: u32 = STRIDE_Y / STEP_Y;
// What a patch sees.
override SEEN_Y: u32 = (HIGH - 1u) * DOWN + (TAPS_Y - 1u) * DILATION_Y + 1u;
override SEEN_X: u32 = (WIDE - 1u) * STRIDE_X + (TAPS_X - 1u) * DILATION_X + 1u;
// Of a channel, staged.
override SEEN: u32 = SAMPLES * SEEN_Y * PITCH;
// Weights of a channel, in fours.
override FACTORS: u32 = TAPS_Y * TAPS_X * (FILTERS / 4u);

override ALL_FACTORS: u32 = STAGED * FACTORS;
override ALL_SEEN: u32 = STAGED * SEEN;
var<workgroup> factors: array<vec4<f32>, ALL_FACTORS>;
var<workgroup> seen: array<f32, ALL_SEEN>;

var<private> s0: vec4<f32>;
var<private> s1: vec4<f32>;
var<private> s2: vec4<f32>;
var<private> s3: vec4<f32>;
var<private> s4: vec4<f32>;
var<private> s5: vec4<f32>;
var<private> s6: vec4<f32>;
var<private> s7: vec4<f32>;

// What a thread fetched and will stage: elements of the source, and weights.
override SLOTS: u32 = (SAMPLES * SEEN_Y * SEEN_X + THREADS - 1u) / THREADS;
override FACTOR_SLOTS: u32 = (ALL_FACTORS + THREADS - 1u) / THREADS;
// As many as 16 KB come to.
var<private> fetched: array<f32, 16>;
var<private> fetched_factors: array<vec4<u32>, 4>;

// The first pixel of the patches.
struct Corner {
    sample: u32,
    y: u32,
    x: u32,
}

// Of the kernel's rows from `tap` on, and of `channels` channels from `channel` on.
fn fetch_source(t: u32, corner: Corner, tap: u32, channel: u32, channels: u32) {
    let area = params.rows * params.cols;
    for (var i = 0u; i < SLOTS; i++) {
        let e = t + i * THREADS;
        let sample = corner.sample + e / (SEEN_Y * SEEN_X);
        let row = corner.y * STRIDE_Y + e / SEEN_X % SEEN_Y * STEP_Y + tap * DILATION_Y - params.begin_y;
        let col = corner.x * STRIDE_X + e % SEEN_X - params.begin_x;
        let inside = e < SAMPLES * SEEN_Y * SEEN_X && sample < params.batch && row < params.rows && col < params.cols;
        let place = (sample * params.channels + channel) * area + row * params.cols + col;
        for (var c = 0u; c < STAGED; c++) {
            var v = 0.0;
            if inside && c < channels {
                v = source[place + c * area];
            }
            fetched[i * STAGED + c] = v;
        }
    }
}

fn stage_source(t: u32) {
    for (var i = 0u; i < SLOTS; i++) {
        let e = t + i * THREADS;
        if e < SAMPLES * SEEN_Y * SEEN_X {
            let put = e / SEEN_X * PITCH + e % SEEN_X;
            for (var c = 0u; c < STAGED; c++) {
                seen[c * SEEN + put] = fetched[i * STAGED + c];
            }
        }
    }
}

// `first` is the first quad of filters, of which `quads` exist from there on.
fn fetch_factors(t: u32, channels: u32, first: u32, quads: u32) {
    let taps = params.kernel_y * params.kernel_x;
    for (var i = 0u; i < FACTOR_SLOTS; i++) {
        let e = t + i * THREADS;
        let quad = e % (FILTERS / 4u);
        let term = e / FACTORS * taps + e % FACTORS / (FILTERS / 4u);
        var w = vec4<u32>(0u);
        if e < channels * FACTORS && quad < quads {
            w = constants[first + term * params.quads + quad];
        }
        fetched_factors[i] = w;
    }
}

fn stage_factors(t: u32) {
    for (var i = 0u; i < FACTOR_SLOTS; i++) {
        let e = t + i * THREADS;
        if e < ALL_FACTORS {
            factors[e] = bitcast<vec4<f32>>(fetched_factors[i]);
        }
    }
}

fn multiply(v: vec4<f32>, w: u32) {
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

// One channel: `strip` is its strip's first element, `w` its weights.
fn slide(strip: u32, w: u32) {
    let down = DOWN * PITCH;
    for (var kx = 0u; kx < TAPS_X; kx++) {
        let first = strip + kx * DILATION_X;
        var v = vec4<f32>(seen[first], seen[first + down], seen[first + 2u * down], seen[first + 3u * down]);
        multiply(v, w + kx * (FILTERS / 4u));
        for (var ky = 1u; ky < TAPS_Y; ky++) {
            let next = first + ky * DILATION_Y * PITCH;
            if DOWN == DILATION_Y {
                v = vec4<f32>(v.yzw, seen[next + 3u * down]);
            } else {
                v = vec4<f32>(seen[next], seen[next + down], seen[next + 2u * down], seen[next + 3u * down]);
            }
            multiply(v, w + (ky * TAPS_X + kx) * (FILTERS / 4u));
        }
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
    let across = (params.width + WIDE - 1u) / WIDE;
    let down = (params.height + HIGH - 1u) / HIGH;
    let m = number % tiles * FILTERS;
    let group = number / tiles % params.groups;
    let patches = number / (tiles * params.groups);
    let x = patches % across * WIDE;
    let y = patches / across % down * HIGH;
    let sample = patches / (across * down) * SAMPLES;
    if sample >= params.batch {
        return;
    }
    let corner = Corner(sample, y, x);
    let block = t / STRIPS;
    let has_strip = block < FILTERS / ROWS;
    let strip = t % STRIPS;
    let my_x = strip % WIDE;
    let my_y = strip / WIDE % (HIGH / 4u) * 4u;
    let my_sample = strip / (WIDE * (HIGH / 4u));
    let look = (my_sample * SEEN_Y + my_y * DOWN) * PITCH + my_x * STRIDE_X;

    let taps = params.kernel_y * params.kernel_x;
    let turns = max((params.depth + STAGED - 1u) / STAGED, 1u);
    let stages = params.kernel_y / TAPS_Y * turns;
    var channels = 0u;
    // While one stage is multiplied, the next is on its way.
    for (var stage = 0u; stage <= stages; stage++) {
        let tap = stage / turns * TAPS_Y;
        let c = stage % turns * STAGED;
        let many = min(STAGED, params.depth - c);
        if stage < stages {
            let channel = group * params.depth + c;
            let term = channel * taps + tap * params.kernel_x;
            fetch_source(t, corner, tap, channel, many);
            fetch_factors(t, many, params.weights + term * params.quads + m / 4u, params.quads - m / 4u);
        }
        for (var i = 0u; has_strip && i < channels; i++) {
            slide(i * SEEN + look, i * FACTORS + block * (ROWS / 4u));
        }
        if stage == stages {
            break;
        }
        workgroupBarrier();
        stage_source(t);
        stage_factors(t);
        workgroupBarrier();
        channels = many;
    }

    // Beyond the filters lie those of the next group.
    let c = m + block * ROWS;
    if !has_strip || c >= filters {
        return;
    }
    locate(sample + my_sample, y + my_y, x + my_x);
    let first = group * filters + c;
    read_marks(first);
    finish(first, s0);
    if c + 1u < filters { finish(first + 1u, s1); }
    if c + 2u < filters { finish(first + 2u, s2); }
    if c + 3u < filters { finish(first + 3u, s3); }
    if ROWS == 8u {
        if c + 4u < filters { finish(first + 4u, s4); }
        if c + 5u < filters { finish(first + 5u, s5); }
        if c + 6u < filters { finish(first + 6u, s6); }
        if c + 7u < filters { finish(first + 7u, s7); }
    }
    leave_marks(first);
}
