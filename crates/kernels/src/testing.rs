//! What the tests of all kernels share: the software GPU, canaries, shapes and comparison.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use burn_cubecl::cubecl::server::Handle;
use burn_std::Bytes;

use crate::device::Gpu;
use crate::{Device, DeviceSpec, adapters};

/// Bytes before and after every array: what devices may ask a binding to be aligned to.
const GUARD: usize = 256;

/// A GPU to test on: the software one when there is one, otherwise any. No adapter at all fails
/// the test, unless SCOVILLE_NO_GPU_TESTS=1 says that this is known.
pub fn gpu() -> Option<Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    GPU.get_or_init(|| {
        if std::env::var("SCOVILLE_NO_GPU_TESTS").is_ok_and(|value| value == "1") {
            println!("skipped: SCOVILLE_NO_GPU_TESTS=1");
            return None;
        }
        let all = adapters();
        let chosen = all.iter().find(|info| info.software).or(all.first());
        let info = chosen.expect("no adapter: install mesa-vulkan-drivers (lavapipe)");
        let spec: DeviceSpec = format!("{}:{}", info.api, info.index).parse().unwrap();
        Some(Device::open(&spec).unwrap())
    })
    .clone()
}

/// The CPU, and the GPU where tests may use one.
pub fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(gpu()).collect()
}

/// Another byte for each array: a kernel may copy one array's canaries over another's.
fn next_canary() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A handle to `bytes` (a word at least) inside a larger buffer, with canaries on both sides.
pub fn guarded(gpu: &Gpu, bytes: &[u8]) -> Handle {
    let len = bytes.len().max(4);
    let tail = GUARD + len.next_multiple_of(GUARD) - len;
    let canary = next_canary();
    let mut whole = vec![canary; GUARD];
    whole.extend_from_slice(bytes);
    whole.resize(GUARD + len, 0);
    whole.resize(whole.len() + tail, canary);
    let handle = gpu.client.create(Bytes::from_bytes_vec(whole));
    handle.offset_start(GUARD as u64).offset_end(tail as u64)
}

/// An array made by [`guarded`], and the canaries behind it.
pub fn with_tail(handle: &Handle) -> Handle {
    let mut wider = handle.clone();
    if handle.offset_start == Some(GUARD as u64) {
        wider.offset_end = None;
    }
    wider
}

/// Fails when a kernel wrote outside of an array made by [`guarded`].
pub fn check_guard(gpu: &Gpu, handle: &Handle) {
    if handle.offset_start != Some(GUARD as u64) {
        return; // burn's own
    }
    let len = handle.size_in_used() as usize;
    let mut whole = handle.clone();
    whole.offset_start = None;
    whole.offset_end = None;
    let bytes = gpu.client.read_one(whole).unwrap().to_vec();
    let tail = GUARD + len.next_multiple_of(GUARD) - len;
    let around = bytes[..GUARD]
        .iter()
        .chain(&bytes[GUARD + len..GUARD + len + tail]);
    let overwritten = around.filter(|&&byte| byte != bytes[0]).count();
    assert_eq!(
        overwritten, 0,
        "canary bytes round an array of {len} bytes were overwritten"
    );
}

/// SplitMix64: seeded and small.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.word()) * bound as u64) >> 32) as usize
    }

    /// Uniform in [lo, hi).
    pub fn within(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * crate::philox::unit(self.word())
    }

    pub fn floats(&mut self, len: usize, lo: f32, hi: f32) -> Vec<f32> {
        (0..len).map(|_| self.within(lo, hi)).collect()
    }
}

/// 256 shapes (rows, cols): ones, primes, the workgroup's size and its neighbours, and random ones.
pub fn shapes(seed: u64) -> Vec<(usize, usize)> {
    let edges = [1, 2, 3, 7, 31, 97, 251, 255, 256, 257, 511, 513];
    let mut random = Random::new(seed);
    let mut shapes: Vec<_> = edges
        .iter()
        .flat_map(|&edge| [(1, edge), (edge, 1)])
        .collect();
    shapes.extend(edges.iter().map(|&edge| (1 + random.below(5), edge)));
    while shapes.len() < 256 {
        shapes.push((1 + random.below(40), 1 + random.below(600)));
    }
    shapes
}

/// Compares by value, with a tolerance relative to `scale`.
pub fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let close = (g - e).abs() <= tolerance * e.abs().max(1.0);
        assert!(
            close || g == e,
            "{what}: element {i}: got {g}, expected {e}"
        );
    }
}

mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_write_beside_an_array_is_noticed() {
        let Some(Device::Gpu(gpu)) = gpu() else {
            return;
        };
        let handle = guarded(&gpu, &[1, 2, 3, 4]);
        check_guard(&gpu, &handle);
        let mut beside = handle.clone();
        beside.offset_start = Some(GUARD as u64 + 4);
        beside.offset_end = Some(handle.size() - GUARD as u64 - 8);
        gpu.client
            .write(&beside, Bytes::from_bytes_vec(vec![0, 1, 2, 3]));
        assert!(catch_unwind(AssertUnwindSafe(|| check_guard(&gpu, &handle))).is_err());
    }
}
