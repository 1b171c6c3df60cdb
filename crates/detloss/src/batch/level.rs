//! Which instructions of the CPU the drivers use.

use std::fmt;

use fearless_simd::{Level as Detected, Simd};

/// A set of CPU instructions. The best one is chosen at run time; tests and benchmarks force the others.
#[derive(Clone, Copy)]
pub struct Level(Detected);

/// Work that can be done with any set of instructions.
pub(crate) trait Job {
    type Output;
    /// Must be `#[inline(always)]`: the caller brings the instructions.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl Level {
    /// The best level of this machine.
    #[must_use]
    #[inline]
    pub fn best() -> Self {
        Self(Detected::new())
    }

    /// Every level this machine has, the best one first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            let best = Detected::new();
            let avx512 = best.as_avx512().map(Detected::Avx512);
            let avx2 = best.as_avx2().map(Detected::Avx2);
            let sse2 = best.as_sse2().map(Detected::Sse2);
            [avx512, avx2, sse2].into_iter().flatten().map(Self).collect()
        }
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        {
            vec![Self::best()]
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Detected::Avx512(_) => "AVX-512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Detected::Avx2(_) => "AVX2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            _ => "SSE2",
            #[cfg(target_arch = "aarch64")]
            Detected::Neon(_) => "NEON",
            #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
            _ => "portable",
        }
    }

    #[inline]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Detected::Avx512(simd) => simd.vectorize(
                #[inline(always)]
                || job.run(simd),
            ),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Detected::Avx2(simd) => simd.vectorize(
                #[inline(always)]
                || job.run(simd),
            ),
            // One level below AVX2 is enough: SSE4.2 is no faster here, and each level costs a copy of every kernel.
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            level => {
                let simd =
                    level.as_sse2().expect("every x86 CPU that Rust's targets run on has SSE2");
                simd.vectorize(
                    #[inline(always)]
                    || job.run(simd),
                )
            }
            #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
            level => fearless_simd::dispatch!(level, simd => job.run(simd)),
        }
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
