//! Which of two numbers is above the other, in sixteen lanes.

#[cfg(target_arch = "x86")]
use std::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

use fearless_simd::{Level, Simd, f32x16, prelude::*};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::{kernel, x86::Avx512};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use super::same;

/// 1 where a is above b, 0 where it is below, ½ at a tie and where either is NaN.
#[inline(always)]
pub(super) fn heaviside<S: Simd>(a: f32x16<S>, b: f32x16<S>) -> f32x16<S> {
    let simd = a.token();
    match simd.level() {
        // The difference of two different numbers is never rounded to 0.
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => same(simd, by_sign(token, same(token, a - b))),
        _ => {
            let (zero, half) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 0.5));
            let one = f32x16::splat(simd, 1.0);
            b.simd_lt(a).select(one, a.simd_lt(b).select(zero, half))
        }
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
kernel!(
    /// 1 where x is positive, 0 where it is negative, ½ elsewhere: one instruction for two comparisons and two choices.
    #[inline(always)]
    fn by_sign(token: Avx512, x: f32x16<Avx512>) -> f32x16<Avx512> {
        // What to answer to each kind of number, four bits each, from the lowest: NaN, signalling NaN, zero, one, -infinity,
        // infinity, negative, positive. 8 is the number 0, A is 1, B is 1/2.
        let answers = arch::_mm512_set1_epi32(0xa8a8_abbb_u32.cast_signed());
        arch::_mm512_fixupimm_ps::<0>(x.into(), x.into(), answers).simd_into(token)
    }
);
