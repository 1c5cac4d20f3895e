//! Philox4x32-10, a counter-based random number generator: the same numbers on every machine, in
//! any order.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The bijection: the 128-bit block that belongs to `counter` under `key`.
pub(crate) fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        let (a_high, b_high) = ((a >> 32) as u32, (b >> 32) as u32);
        counter = [
            b_high ^ counter[1] ^ key[0],
            b as u32,
            a_high ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The sequence of numbers of one sample: blocks 0, 1, 2, … of (`seed`, `stream`, `index`).
///
/// Two sequences of one seed share no counter unless stream and index are both the same.
pub(crate) struct Philox {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Philox {
    pub(crate) fn new(seed: u64, stream: u32, index: u64) -> Self {
        Philox {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, stream, index as u32, (index >> 32) as u32],
            block: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits.
    pub(crate) fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [low, high), in steps of (high - low) / 2^24.
    pub(crate) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next_u32() >> 8) as f32 / 16_777_216.0)
    }

    /// Triangular on (-1, 1) with its peak at 0.
    pub(crate) fn triangular(&mut self) -> f32 {
        self.uniform(0.0, 1.0) - self.uniform(0.0, 1.0)
    }

    /// Close to the standard normal: the sum of the four bytes of one draw (Irwin-Hall), within
    /// ±3.46.
    pub(crate) fn normal(&mut self) -> f32 {
        const MEAN: f32 = 4.0 * 127.5;
        const DEVIATION: f32 = 147.8;
        let sum: u32 = self
            .next_u32()
            .to_le_bytes()
            .iter()
            .map(|&b| u32::from(b))
            .sum();
        (sum as f32 - MEAN) / DEVIATION
    }

    /// One of `items`, all equally likely.
    pub(crate) fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[((u64::from(self.next_u32()) * items.len() as u64) >> 32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that Random123 publishes (kat_vectors).
    #[test]
    fn known_answers() {
        let ones = u32::MAX;
        for (counter, key, expected) in [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [ones; 4],
                [ones; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn moments() {
        let mut rng = Philox::new(7, 0, 0);
        let n = 20_000;
        let moments = |draw: &mut dyn FnMut() -> f32| {
            let (sum, squares) = (0..n).fold((0.0_f64, 0.0_f64), |(s, q), _| {
                let v = f64::from(draw());
                (s + v, q + v * v)
            });
            (sum / f64::from(n), squares / f64::from(n))
        };
        let (mean, square) = moments(&mut || rng.normal());
        assert!(
            mean.abs() < 0.03 && (square - 1.0).abs() < 0.05,
            "normal: {mean} {square}"
        );
        let (mean, square) = moments(&mut || rng.triangular());
        assert!(
            mean.abs() < 0.02 && (square - 1.0 / 6.0).abs() < 0.01,
            "triangular: {mean} {square}"
        );
    }

    #[test]
    fn choose_reaches_every_item_evenly() {
        let mut rng = Philox::new(1, 2, 3);
        let mut counts = [0_u32; 3];
        (0..3_000).for_each(|_| counts[*rng.choose(&[0_usize, 1, 2])] += 1);
        assert!(
            counts.iter().all(|c| (900..1_100).contains(c)),
            "{counts:?}"
        );
    }
}
