//! Asking the memory for what comes next.
//!
//! The prefetchers of the CPU stop at every page of 4 KiB, and a formula is too long for the CPU to see past it. Asking three
//! kilobytes ahead hides the memory behind the arithmetic: 1.4 to 1.7 times the speed for box losses and focal out of cache.

#![allow(unsafe_code, reason = "a prefetch takes a raw pointer")]

/// How far ahead, in bytes. On the machine this was measured on, half of it to twice as much do equally well.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const AHEAD: usize = 3072;

/// A line of the cache, in bytes.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const LINE: usize = 64;

/// Prefetches as many bytes as `block` has, a little after it.
#[inline(always)]
pub(super) fn ahead_of<T>(block: &[T]) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        #[cfg(target_arch = "x86")]
        use std::arch::x86::{_MM_HINT_T0, _mm_prefetch};
        #[cfg(target_arch = "x86_64")]
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let start = block.as_ptr().cast::<i8>().wrapping_add(AHEAD);
        let mut offset = 0;
        while offset < size_of_val(block) {
            // SAFETY: a prefetch reads nothing and never faults, whatever the address; SSE is part of the targets.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
            offset += LINE;
        }
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    let _ = block;
}
