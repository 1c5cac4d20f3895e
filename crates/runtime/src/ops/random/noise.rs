//! Where an operator's random numbers come from: Philox, keyed by the operator and counted by its runs.

use std::sync::atomic::{AtomicU64, Ordering};

use scoville_kernels::philox::{philox4x32, unit};
use scoville_onnx::Node;

use crate::Fault;

/// The numbers of one operator.
pub(crate) struct Noise {
    key: [u32; 2],
    runs: AtomicU64,
}

impl Noise {
    /// Keyed by the attribute `seed`, or else by what the node makes: so that two nodes draw different numbers.
    pub fn of(node: &Node) -> Result<Noise, Fault> {
        let named = |name: &String| {
            // FNV-1a.
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
        };
        let key = match node.attributes.float("seed")? {
            Some(seed) => u64::from(seed.to_bits()),
            None => node.outputs.first().map_or(0, named),
        };
        Ok(Noise {
            key: [key as u32, (key >> 32) as u32],
            runs: AtomicU64::new(0),
        })
    }

    /// Draws again what was drawn first.
    pub fn rewind(&self) {
        self.runs.store(0, Ordering::Relaxed);
    }

    /// `n` numbers in [0, 1) of the next run.
    pub fn uniform(&self, n: usize) -> Vec<f32> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let blocks = (0..n.div_ceil(4) as u64).map(|block| {
            [
                block as u32,
                (block >> 32) as u32,
                run as u32,
                (run >> 32) as u32,
            ]
        });
        let words = blocks.flat_map(|counter| philox4x32(counter, self.key));
        words.take(n).map(unit).collect()
    }

    /// `n` standard normal numbers of the next run (Box and Muller 1958).
    pub fn normal(&self, n: usize) -> Vec<f32> {
        let pairs = self.uniform(n.next_multiple_of(2));
        let pair = |pair: &[f32]| {
            let [u, v] = *pair else { return [0.0; 2] };
            // 1 - u is in (0, 1], where the logarithm is finite.
            let length = (-2.0 * f64::from(1.0 - u).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * f64::from(v)).sin_cos();
            [(length * cos) as f32, (length * sin) as f32]
        };
        pairs.chunks_exact(2).flat_map(pair).take(n).collect()
    }
}
