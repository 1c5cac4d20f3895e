//! Channels in blocks of 16, whatever the width of the machine's vectors.

use pulp::{Arch, Simd, WithSimd};

/// Channels of a block.
pub(crate) const BLOCK: usize = 16;

/// More blocks of weights than this do not stay in the nearer caches: then more samples run together.
pub(crate) const LARGE: usize = 8 << 10;

/// One block of channels, aligned so that a vector never spans two cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [f32; BLOCK]);

impl Block {
    pub const ZERO: Block = Block([0.0; BLOCK]);

    /// Of so many channels, with zeros behind the last.
    pub fn all(channels: &[f32]) -> Vec<Block> {
        let block = |part: &[f32]| {
            let mut block = Block::ZERO;
            block.0[..part.len()].copy_from_slice(part);
            block
        };
        channels.chunks(BLOCK).map(block).collect()
    }

    pub fn is_finite(&self) -> bool {
        self.0.iter().all(|value| value.is_finite())
    }
}

/// Code that runs on the widest vectors that the machine has; `V` of them make a block.
pub(crate) trait Kernel {
    fn run<S: Simd, const V: usize>(self, simd: S);
}

/// Runs `kernel` on this machine's vectors.
pub(crate) fn dispatch<K: Kernel>(kernel: K) {
    Arch::new().dispatch(Dispatched(kernel));
}

struct Dispatched<K>(K);

impl<K: Kernel> WithSimd for Dispatched<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.0.run::<S, 1>(simd),
            8 => self.0.run::<S, 2>(simd),
            4 => self.0.run::<S, 4>(simd),
            _ => self.0.run::<S, BLOCK>(simd),
        }
    }
}

/// A block in registers.
pub(crate) type Vectors<S, const V: usize> = [<S as Simd>::f32s; V];

/// The block that starts at `at`.
#[inline(always)]
pub(crate) fn load<S: Simd, const V: usize>(from: &[f32], at: usize) -> Vectors<S, V> {
    let vectors = S::as_simd_f32s(&from[at..at + BLOCK]).0;
    core::array::from_fn(|v| vectors[v])
}

/// Writes the block that starts at `at`.
#[inline(always)]
pub(crate) fn store<S: Simd, const V: usize>(to: &mut [f32], at: usize, block: Vectors<S, V>) {
    let vectors = S::as_mut_simd_f32s(&mut to[at..at + BLOCK]).0;
    vectors[..V].copy_from_slice(&block);
}

/// `f` of each vector of two blocks.
#[inline(always)]
pub(crate) fn zip<S: Simd, const V: usize>(
    a: Vectors<S, V>,
    b: Vectors<S, V>,
    f: impl Fn(S::f32s, S::f32s) -> S::f32s,
) -> Vectors<S, V> {
    core::array::from_fn(
        #[inline(always)]
        |v| f(a[v], b[v]),
    )
}

/// `f` of each vector of a block.
#[inline(always)]
pub(crate) fn map<S: Simd, const V: usize>(
    a: Vectors<S, V>,
    f: impl Fn(S::f32s) -> S::f32s,
) -> Vectors<S, V> {
    core::array::from_fn(
        #[inline(always)]
        |v| f(a[v]),
    )
}

/// A bit for each channel, set where `mask` is.
#[inline(always)]
pub(crate) fn to_bits<S: Simd, const V: usize>(simd: S, mask: [S::m32s; V]) -> u16 {
    if size_of::<S::m32s>() == 2 {
        return mask.iter().fold(0, |_, mask| {
            pulp::bytemuck::checked::pod_read_unaligned::<u16>(pulp::bytemuck::bytes_of(mask))
        });
    }
    // The sum of different powers of two below 2^16 is exact.
    let zero = simd.splat_f32s(0.0);
    let powers = load::<S, V>(&POWERS, 0);
    let ones: Vectors<S, V> = core::array::from_fn(
        #[inline(always)]
        |v| simd.select_f32s(mask[v], powers[v], zero),
    );
    let sum = ones
        .into_iter()
        .fold(zero, |sum, ones| simd.add_f32s(sum, ones));
    simd.reduce_sum_f32s(sum) as u16
}

/// A bit for each channel that is not zero.
#[inline(always)]
pub(crate) fn nonzero<S: Simd, const V: usize>(simd: S, block: &Block) -> u16 {
    let zero = simd.splat_f32s(0.0);
    let equal = load::<S, V>(&block.0, 0).map(
        #[inline(always)]
        |x| simd.equal_f32s(x, zero),
    );
    !to_bits::<S, V>(simd, equal)
}

/// The mask whose bits are `bits`.
#[inline(always)]
pub(crate) fn from_bits<S: Simd, const V: usize>(simd: S, bits: u16) -> [S::m32s; V] {
    if size_of::<S::m32s>() == 2 {
        let mask = pulp::bytemuck::checked::pod_read_unaligned(&bits.to_ne_bytes());
        return [mask; V];
    }
    let bits = simd.splat_u32s(bits.into());
    let powers = S::as_simd_u32s(&POWERS_U32).0;
    core::array::from_fn(
        #[inline(always)]
        |v| simd.equal_u32s(simd.and_u32s(bits, powers[v]), powers[v]),
    )
}

const POWERS_U32: [u32; BLOCK] = {
    let mut powers = [1; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        powers[i] = 1 << i;
        i += 1;
    }
    powers
};

const POWERS: [f32; BLOCK] = {
    let mut powers = [1.0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        powers[i] = POWERS_U32[i] as f32;
        i += 1;
    }
    powers
};
