//! Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
//! as 1, 2, 3" (SC 2011): random words as a pure function of (counter, key), so that a sample gets
//! the same numbers in whatever batch, order and device it is processed. Twin of `philox.wgsl`.

/// Four random words for a counter and a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let (high0, low0) = widening_mul(0xD251_1F53, c[0]);
        let (high1, low1) = widening_mul(0xCD9E_8D57, c[2]);
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0];
        k = [
            k[0].wrapping_add(0x9E37_79B9),
            k[1].wrapping_add(0xBB67_AE85),
        ];
    }
    c
}

/// Counters that are worked on together.
const LANES: usize = 16;

/// Fills `row` with what `numbers` makes of the words at the counters (block, `rest`), for the blocks 0, 1, 2, ... of
/// four elements each.
#[inline(always)]
pub(crate) fn fill(
    row: &mut [f32],
    rest: [u32; 3],
    key: [u32; 2],
    numbers: impl Fn([u32; 4]) -> [f32; 4],
) {
    for (group, part) in row.chunks_mut(4 * LANES).enumerate() {
        let words = philox_lanes((group * LANES) as u32, rest, key);
        let mut made = [[0.0; LANES]; 4];
        for lane in 0..LANES {
            let four = numbers([
                words[0][lane],
                words[1][lane],
                words[2][lane],
                words[3][lane],
            ]);
            for (made, number) in made.iter_mut().zip(four) {
                made[lane] = number;
            }
        }
        for (lane, block) in part.chunks_mut(4).enumerate() {
            for (element, made) in block.iter_mut().zip(&made) {
                *element = made[lane];
            }
        }
    }
}

/// [`philox4x32`] of the counters from (`first`, `rest`) on: word by word, a lane a counter.
#[inline(always)]
fn philox_lanes(first: u32, rest: [u32; 3], key: [u32; 2]) -> [[u32; LANES]; 4] {
    let [mut a, mut b, mut c, mut d] = [
        std::array::from_fn(|lane| first.wrapping_add(lane as u32)),
        [rest[0]; LANES],
        [rest[1]; LANES],
        [rest[2]; LANES],
    ];
    let mut k = key;
    for _ in 0..10 {
        let words = a.iter_mut().zip(&mut b).zip(&mut c).zip(&mut d);
        for (((a, b), c), d) in words {
            let (high0, low0) = widening_mul(0xD251_1F53, *a);
            let (high1, low1) = widening_mul(0xCD9E_8D57, *c);
            (*a, *b, *c, *d) = (high1 ^ *b ^ k[0], low1, high0 ^ *d ^ k[1], low0);
        }
        k = [
            k[0].wrapping_add(0x9E37_79B9),
            k[1].wrapping_add(0xBB67_AE85),
        ];
    }
    [a, b, c, d]
}

/// A key from a run's seed.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// A word as a number in [0, 1): its upper 24 bits, so that every value is exact in f32.
#[inline(always)]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * 2.0_f32.powi(-24)
}

#[inline(always)]
fn widening_mul(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::launch::{Grid, Shader, launch};
    use crate::{Device, testing};

    #[test]
    fn lanes_are_the_counters_one_by_one() {
        let (rest, key) = ([7, 8, 9], [10, 11]);
        for len in [1, 4, 63, 64, 65, 300] {
            let mut row = vec![0.0; len];
            fill(&mut row, rest, key, |words| words.map(unit));
            let counter = |block: usize| [block as u32, rest[0], rest[1], rest[2]];
            let one_by_one = (0..len.div_ceil(4)).flat_map(|b| philox4x32(counter(b), key));
            let one_by_one: Vec<f32> = one_by_one.map(unit).take(len).collect();
            assert_eq!(row, one_by_one);
        }
    }

    /// The known-answer vectors of Random123.
    const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
        (
            [0; 4],
            [0; 2],
            [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
        ),
        (
            [!0; 4],
            [!0; 2],
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
        ),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];

    #[test]
    fn matches_the_published_vectors() {
        for (counter, key, expected) in KNOWN {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn units_stay_below_one() {
        assert_eq!(
            (unit(0), unit(255), unit(256)),
            (0.0, 0.0, 2.0_f32.powi(-24))
        );
        assert!(unit(u32::MAX) < 1.0);
    }

    const WORDS: Shader = Shader {
        name: "philox_test",
        source: concat!(
            include_str!("../../../shaders/philox.wgsl"),
            "@group(0) @binding(0) var<uniform> rows: u32;
             @group(0) @binding(1) var<storage, read_write> inputs: array<u32>;
             @group(0) @binding(2) var<storage, read_write> words: array<u32>;
             @compute @workgroup_size(256)
             fn main(@builtin(global_invocation_id) id: vec3<u32>) {
                 if (id.x >= rows) { return; }
                 let i = id.x * 6u;
                 let counter = vec4(inputs[i], inputs[i + 1u], inputs[i + 2u], inputs[i + 3u]);
                 let drawn = philox4x32(counter, vec2(inputs[i + 4u], inputs[i + 5u]));
                 for (var j = 0u; j < 4u; j++) { words[id.x * 4u + j] = drawn[j]; }
             }"
        ),
    };

    #[test]
    fn the_shader_gives_the_same_words() {
        let Some(device) = testing::gpu() else { return };
        let Device::Gpu(gpu) = &device else {
            unreachable!()
        };
        let mut random = testing::Random::new(1);
        let rows = 1000;
        let mut inputs: Vec<u32> = (0..rows * 6).map(|_| random.word()).collect();
        for (row, (counter, key, _)) in KNOWN.iter().enumerate() {
            inputs[row * 6..row * 6 + 4].copy_from_slice(counter);
            inputs[row * 6 + 4..row * 6 + 6].copy_from_slice(key);
        }
        let expected = inputs.chunks(6).flat_map(|input| {
            philox4x32(
                [input[0], input[1], input[2], input[3]],
                [input[4], input[5]],
            )
        });
        let expected: Vec<u32> = expected.collect();
        let inputs = Array::from_vec(&device, rows, 6, inputs).unwrap();
        let words = Array::<u32>::uninit(&device, rows, 4).unwrap();
        let arrays = [
            inputs.buffer("", gpu).unwrap(),
            words.buffer("", gpu).unwrap(),
        ];
        launch(gpu, &WORDS, &(rows as u32), &arrays, Grid::Threads(rows)).unwrap();
        assert_eq!(words.to_vec().unwrap(), expected);
    }
}
