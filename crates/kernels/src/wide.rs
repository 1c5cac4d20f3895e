//! The CPU twins' inner loops on the widest vectors that the machine has.

/// Runs `work`, compiled for this machine's vectors. What it calls must be inlined to be so, too.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
