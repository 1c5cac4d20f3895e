//! Random numbers counted by what they are for: seed, case and round, row, position.

use scoville_kernels::philox::{key, philox4x32, unit};

/// The numbers of one row of one batch.
pub(crate) struct Rng {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Rng {
    pub fn new(seed: u64, case: usize, stage: u32, row: usize) -> Rng {
        Rng {
            key: key(seed),
            counter: [0, row as u32, stage, case as u32],
            block: [0; 4],
            used: 4,
        }
    }

    pub fn word(&mut self) -> u32 {
        if self.used == self.block.len() {
            self.block = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        let word = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        word
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        unit(self.word())
    }

    pub fn coin(&mut self) -> bool {
        self.word() & 1 == 1
    }

    /// One of 0..n; 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }
}
