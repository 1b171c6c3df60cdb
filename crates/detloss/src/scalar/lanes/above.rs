//! Which of two numbers is above the other, in sixteen lanes.

use fearless_simd::{Level, Simd, f32x16, prelude::*};

use super::same;

/// 1 where a is above b, 0 where it is below, ½ at a tie and where either is NaN.
#[inline(always)]
pub(super) fn above<S: Simd>(a: f32x16<S>, b: f32x16<S>) -> f32x16<S> {
    let simd = a.token();
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => same(simd, by_sign(token, same(token, a - b))),
        _ => {
            let [zero, half, one] = [0.0, 0.5, 1.0].map(|value| f32x16::splat(simd, value));
            b.simd_lt(a).select(one, a.simd_lt(b).select(zero, half))
        }
    }
}

#[cfg(target_arch = "x86")]
use std::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::{kernel, x86::Avx512};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
kernel!(
    #[inline(always)]
    fn by_sign(token: Avx512, x: f32x16<Avx512>) -> f32x16<Avx512> {
        // One instruction instead of two comparisons and two choices: an answer of four bits for every kind of number. From the
        // lowest: NaN, NaN, zero, one, -infinity, infinity, negative, positive; 8 is 0, A is 1, B is 1/2.
        let answers = arch::_mm512_set1_epi32(0xa8a8_abbb_u32.cast_signed());
        arch::_mm512_fixupimm_ps::<0>(x.into(), x.into(), answers).simd_into(token)
    }
);
