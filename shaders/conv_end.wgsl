// What the layers of a convolutional network share. A thread makes ROWS channels of a strip of four pixels, one below the
// other. The end of each layer adds a bias and another value, applies the activation, or its derivative on the way back, and
// keeps on the tape a bit an element: a word has 8 channels of a strip that begins in row 0, 4, 8 ...

// Of a thread; 4 only where there are no more.
override ROWS: u32 = 8;

const NONE = 0xffffffffu;
const LINEAR = 0u;
const RELU = 1u;
const LEAKY = 2u;
const CLIP = 3u;
const BACKWARD = 4u;
const TIMES = 5u;

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
    // Of a convolution the channels of a group, of others the terms of a sum; fours of filters that a group has; where the
    // constants lie, in fours.
    depth: u32,
    quads: u32,
    taps: u32,
    weights: u32,
    bias: u32,
    // The end.
    adds: u32,
    act: u32,
    low: f32,
    high: f32,
    marks: u32,
    // Windows of pools, and of convolutions without their stride: how many taps, how far apart, and how far the first lies
    // before the pixel.
    kernel_y: u32,
    kernel_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    begin_y: u32,
    begin_x: u32,
    end_y: u32,
    end_x: u32,
    mode: u32,
    // Where the numbers lie that a function or a product keeps.
    numbers: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> constants: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> add: array<f32>;
@group(0) @binding(4) var<storage, read_write> marks: array<u32>;
@group(0) @binding(5) var<storage, read_write> to: array<f32>;

// Of a thread's four pixels: where channel 0 of each lies, whether they exist, where the word of marks of the first channels
// lies, at which bit each begins in it, the bits that were read, and those that are made.
var<private> at: vec4<u32>;
var<private> live: vec4<bool>;
var<private> word: vec4<u32>;
var<private> bit: vec4<u32>;
var<private> words: vec4<u32>;
var<private> made: u32;

// Words of marks that a block of 8 channels has.
fn mark_block() -> u32 {
    return params.batch * ((params.to_rows + 3u) / 4u) * params.to_cols;
}

// Finds the thread's pixels: (y, x) and the three below it, as they are made.
fn locate(sample: u32, y: u32, x: u32) {
    let below = vec4<u32>(y, y + 1u, y + 2u, y + 3u);
    live = vec4<bool>(sample < params.batch && x < params.width) & (below < vec4<u32>(params.height));
    let row = params.first_y + params.step_y * below;
    let col = params.first_x + params.step_x * x;
    at = (sample * params.filters * params.to_rows + row) * params.to_cols + col;
    word = (sample * ((params.to_rows + 3u) / 4u) + row / 4u) * params.to_cols + col;
    bit = 8u * (row % 4u);
    made = 0u;
}

// Where threads go by strips and then by blocks of 8 channels: finds the pixels of thread `i`, and gives its first channel.
fn find(i: u32) -> u32 {
    let x = i % params.width;
    let strips = (params.height + 3u) / 4u;
    let y = i / params.width % strips * 4u;
    let sample = i / (params.width * strips);
    locate(sample % params.batch, y, x);
    return sample / params.batch * 8u;
}

// Reads the marks of the 8 channels that `c` is of, for a layer that applies a derivative.
fn read_marks(c: u32) {
    if params.act != BACKWARD || c >= params.filters {
        return;
    }
    let place = params.marks + (c / 8u) * mark_block() + word;
    if params.step_y == 1u {
        if live.x { words = vec4<u32>(marks[place.x]) >> bit; }
        return;
    }
    if live.x { words.x = marks[place.x] >> bit.x; }
    if live.y { words.y = marks[place.y] >> bit.y; }
    if live.z { words.z = marks[place.z] >> bit.z; }
    if live.w { words.w = marks[place.w] >> bit.w; }
}

// The source's numbers at the thread's pixels, which lie there.
fn four(place: vec4<u32>) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    if live.x { v.x = source[place.x]; }
    if live.y { v.y = source[place.y]; }
    if live.z { v.z = source[place.z]; }
    if live.w { v.w = source[place.w]; }
    return v;
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
    let bits = select(vec4<u32>(0u), vec4<u32>(1u, 0x100u, 0x10000u, 0x1000000u), inside);
    made |= (bits.x | bits.y | bits.z | bits.w) << (c % 8u);
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
            let inside = (words >> vec4<u32>(c % 8u)) & vec4<u32>(1u);
            v = select(v * params.low, v, inside == vec4<u32>(1u));
        }
        case TIMES: {
            if live.x { v.x *= bitcast<f32>(marks[params.marks + place.x]); }
            if live.y { v.y *= bitcast<f32>(marks[params.marks + place.y]); }
            if live.z { v.z *= bitcast<f32>(marks[params.marks + place.z]); }
            if live.w { v.w *= bitcast<f32>(marks[params.marks + place.w]); }
        }
        default: {}
    }
    if live.x { to[place.x] = v.x; }
    if live.y { to[place.y] = v.y; }
    if live.z { to[place.z] = v.z; }
    if live.w { to[place.w] = v.w; }
}

// Writes the marks of the thread's channels, of which `c` is the first. Only layers that make every pixel leave any, so that
// a thread's strip is a word's.
fn leave_marks(c: u32) {
    if params.act == LINEAR || params.act >= BACKWARD || !live.x || c >= params.filters {
        return;
    }
    marks[params.marks + (c / 8u) * mark_block() + word.x] = made;
}
