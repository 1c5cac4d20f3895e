// What the layers of a convolutional network share. A workgroup makes a tile of FILTERS channels by 4 * COLS pixels of the
// destination; a thread makes ROWS channels of 4 pixels that lie COLS apart. Pixels are counted over all samples, in the
// order of samples, rows, columns. The end of each layer adds a bias and another value, applies the activation, or its
// derivative on the way back, and keeps on the tape a bit an element: a word has 16 channels of two pixels.

override FILTERS: u32 = 16;
override ROWS: u32 = 4;
override COLS: u32 = 64;
override PIXELS: u32 = 4 * COLS;

const NONE = 0xffffffffu;
const LINEAR = 0u;
const RELU = 1u;
const LEAKY = 2u;
const CLIP = 3u;
const BACKWARD = 4u;

struct Params {
    batch: u32,
    // Of the source.
    channels: u32,
    rows: u32,
    cols: u32,
    // Of the destination.
    filters: u32,
    to_rows: u32,
    to_cols: u32,
    groups: u32,
    // The pixels of the destination that are made: first + step * (y, x), for y below height and x below width; each looks
    // at the source from stride * (y, x).
    height: u32,
    width: u32,
    first_y: u32,
    first_x: u32,
    step_y: u32,
    step_x: u32,
    stride_y: u32,
    stride_x: u32,
    // Terms of a sum; where the constants lie, in fours.
    depth: u32,
    taps: u32,
    weights: u32,
    bias: u32,
    // The end.
    adds: u32,
    act: u32,
    low: f32,
    high: f32,
    marks: u32,
    // Windows of pools.
    kernel_y: u32,
    kernel_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    begin_y: u32,
    begin_x: u32,
    end_y: u32,
    end_x: u32,
    mode: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> constants: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> add: array<f32>;
@group(0) @binding(4) var<storage, read_write> marks: array<u32>;
@group(0) @binding(5) var<storage, read_write> to: array<f32>;

// Of a thread's four pixels: their number, where channel 0 of each lies, whether they exist, the word of marks of each,
// and the bits that are made.
var<private> pixel: vec4<u32>;
var<private> at: vec4<u32>;
var<private> live: vec4<bool>;
var<private> words: vec4<u32>;
var<private> made: vec4<u32>;

// ROWS bits of each pixel of the tile, by block of ROWS channels.
var<workgroup> tile_marks: array<u32, 1024>;

// Pixels that this dispatch makes.
fn all_pixels() -> u32 {
    return params.batch * params.height * params.width;
}

// Words of marks that a block of 16 channels has.
fn mark_row() -> u32 {
    return (params.batch * params.to_rows * params.to_cols + 1u) / 2u;
}

// Finds the thread's pixels, the first of which is `n`.
fn locate(n: u32) {
    let number = vec4<u32>(n, n + COLS, n + 2u * COLS, n + 3u * COLS);
    live = number < vec4<u32>(all_pixels());
    let sample = number / (params.height * params.width);
    let within = number % (params.height * params.width);
    let y = params.first_y + params.step_y * (within / params.width);
    let x = params.first_x + params.step_x * (within % params.width);
    let area = params.to_rows * params.to_cols;
    let place = y * params.to_cols + x;
    pixel = sample * area + place;
    at = sample * (params.filters * area) + place;
    made = vec4<u32>(0u);
}

// Reads the words that channels from `c` on have, for a layer that applies a derivative.
fn read_marks(c: u32) {
    if params.act != BACKWARD || c >= params.filters {
        return;
    }
    let first = params.marks + (c / 16u) * mark_row();
    for (var j = 0u; j < 4u; j++) {
        if live[j] {
            words[j] = marks[first + pixel[j] / 2u] >> (16u * (pixel[j] % 2u));
        }
    }
}

fn added(value: vec4<f32>, place: vec4<u32>) -> vec4<f32> {
    var sum = value;
    if live.x { sum.x += add[place.x]; }
    if live.y { sum.y += add[place.y]; }
    if live.z { sum.z += add[place.z]; }
    if live.w { sum.w += add[place.w]; }
    return sum;
}

fn keep(inside: vec4<bool>, c: u32) {
    made |= select(vec4<u32>(0u), vec4<u32>(1u << (c % 16u)), inside & live);
}

// Ends channel `c` of the thread's pixels.
fn finish(c: u32, sum: vec4<f32>) {
    if c >= params.filters {
        return;
    }
    let place = at + c * (params.to_rows * params.to_cols);
    var v = sum;
    if params.bias != NONE {
        v += bitcast<f32>(constants[params.bias + c / 4u][c % 4u]);
    }
    if params.adds != 0u {
        v = added(v, place);
    }
    switch params.act {
        case RELU: {
            keep(v > vec4<f32>(0.0), c);
            v = select(v, vec4<f32>(0.0), v < vec4<f32>(0.0));
        }
        case LEAKY: {
            keep(v > vec4<f32>(0.0), c);
            v = select(v, v * params.low, v < vec4<f32>(0.0));
        }
        case CLIP: {
            let whole = v;
            v = select(v, vec4<f32>(params.low), v < vec4<f32>(params.low));
            v = select(v, vec4<f32>(params.high), v > vec4<f32>(params.high));
            keep(v == whole, c);
        }
        case BACKWARD: {
            let bit = (words >> vec4<u32>(c % 16u)) & vec4<u32>(1u);
            v = select(v * params.low, v, bit == vec4<u32>(1u));
        }
        default: {}
    }
    if live.x { to[place.x] = v.x; }
    if live.y { to[place.y] = v.y; }
    if live.z { to[place.z] = v.z; }
    if live.w { to[place.w] = v.w; }
}

// Writes the tile's bits: `row` is the thread's block of ROWS channels, `col` its first pixel; the tile begins at channel
// `c` and pixel `n`. Only layers that make every pixel, in order, leave any.
fn leave_marks(t: u32, row: u32, col: u32, c: u32, n: u32) {
    if params.act == LINEAR || params.act == BACKWARD {
        return;
    }
    if row < FILTERS / ROWS {
        for (var j = 0u; j < 4u; j++) {
            tile_marks[row * PIXELS + col + j * COLS] = made[j];
        }
    }
    workgroupBarrier();
    let pairs = PIXELS / 2u;
    for (var i = t; i < FILTERS / 16u * pairs; i += 256u) {
        let block = i / pairs;
        let pair = i % pairs;
        let first = n + 2u * pair;
        if first < all_pixels() && c + 16u * block < params.filters {
            var word = 0u;
            for (var r = 0u; r < 16u / ROWS; r++) {
                let first_bits = (block * (16u / ROWS) + r) * PIXELS + 2u * pair;
                word |= tile_marks[first_bits] | (tile_marks[first_bits + 1u] << 16u);
            }
            marks[params.marks + (c / 16u + block) * mark_row() + first / 2u] = word;
        }
    }
}
