//! Sixteen boxes of four coordinates, from rows to columns and back.
//!
//! On the wide registers of x86 the transpose stays inside 128-bit blocks: eight cheap shuffles, and its own inverse. It leaves
//! the rows in another order ("quad order"), which nobody sees: every operand is permuted alike, and the store undoes it.

use fearless_simd::{Level, Simd, SimdBase, f32x4, f32x16, prelude::*};

/// The four columns of sixteen rows, rows in quad order.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> [f32x16<S>; 4] {
    if wide(simd) {
        blocks(std::array::from_fn(|i| f32x16::from_slice(simd, &from[16 * i..16 * (i + 1)])))
    } else {
        let quarters: [[f32x4<S>; 4]; 4] =
            std::array::from_fn(|i| f32x4::load_four_interleaved(simd, &from[16 * i..16 * (i + 1)]));
        std::array::from_fn(|field| join(quarters.map(|quarter| quarter[field])))
    }
}

/// The inverse of [`load`].
#[inline(always)]
pub(super) fn store<S: Simd>(columns: [f32x16<S>; 4], to: &mut [f32]) {
    if wide(columns[0].token()) {
        for (i, row) in blocks(columns).into_iter().enumerate() {
            row.store_slice(&mut to[16 * i..16 * (i + 1)]);
        }
    } else {
        let quarters = columns.map(quarters);
        for i in 0..4 {
            f32x4::store_four_interleaved(quarters.map(|column| column[i]), &mut to[16 * i..16 * (i + 1)]);
        }
    }
}

/// From row order to quad order, and back: lane 4a + b changes place with lane 4b + a.
#[inline(always)]
pub(super) fn order<S: Simd>(rows: f32x16<S>) -> f32x16<S> {
    let simd = rows.token();
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => {
            kernels::order_avx512(token, rows.to_array().simd_into(token)).to_array().simd_into(simd)
        }
        _ if wide(simd) => join(f32x4::load_four_interleaved(simd, &rows.to_array())),
        _ => rows,
    }
}

/// Whether [`load`] permutes the rows.
#[inline(always)]
fn wide<S: Simd>(simd: S) -> bool {
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(_) | Level::Avx2(_) => true,
        _ => false,
    }
}

#[inline(always)]
fn join<S: Simd>([a, b, c, d]: [f32x4<S>; 4]) -> f32x16<S> {
    a.combine(b).combine(c.combine(d))
}

#[inline(always)]
fn quarters<S: Simd>(whole: f32x16<S>) -> [f32x4<S>; 4] {
    let (low, high) = whole.split();
    let ((a, b), (c, d)) = (low.split(), high.split());
    [a, b, c, d]
}

/// The transpose of the 4 × 4 matrix in each 128-bit block.
#[inline(always)]
fn blocks<S: Simd>(rows: [f32x16<S>; 4]) -> [f32x16<S>; 4] {
    let simd = rows[0].token();
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => {
            let [a, b, c, d] = rows.map(|row| row.to_array().simd_into(token));
            kernels::blocks_avx512(token, a, b, c, d).map(|column| column.to_array().simd_into(simd))
        }
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx2(token) => {
            let halves = rows.map(|row| row.split());
            let [a, b, c, d] = halves.map(|(low, _)| low.to_array().simd_into(token));
            let low = kernels::blocks_avx2(token, a, b, c, d);
            let [a, b, c, d] = halves.map(|(_, high)| high.to_array().simd_into(token));
            let high = kernels::blocks_avx2(token, a, b, c, d);
            std::array::from_fn(|i| low[i].combine(high[i]).to_array().simd_into(simd))
        }
        _ => rows,
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod kernels {
    #[cfg(target_arch = "x86")]
    use std::arch::x86 as arch;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64 as arch;

    use fearless_simd::x86::{Avx2, Avx512};
    use fearless_simd::{f32x8, f32x16, kernel, prelude::*};

    macro_rules! blocks {
        ($name:ident, $level:ident, $vector:ident, $unpacklo_ps:ident, $unpackhi_ps:ident, $unpacklo_pd:ident,
         $unpackhi_pd:ident, $to_pd:ident, $to_ps:ident) => {
            kernel!(
                #[inline(always)]
                pub(super) fn $name(
                    token: $level,
                    a: $vector<$level>,
                    b: $vector<$level>,
                    c: $vector<$level>,
                    d: $vector<$level>,
                ) -> [$vector<$level>; 4] {
                    let (a, b, c, d) = (a.into(), b.into(), c.into(), d.into());
                    let ab_low = arch::$to_pd(arch::$unpacklo_ps(a, b));
                    let ab_high = arch::$to_pd(arch::$unpackhi_ps(a, b));
                    let cd_low = arch::$to_pd(arch::$unpacklo_ps(c, d));
                    let cd_high = arch::$to_pd(arch::$unpackhi_ps(c, d));
                    [
                        arch::$to_ps(arch::$unpacklo_pd(ab_low, cd_low)).simd_into(token),
                        arch::$to_ps(arch::$unpackhi_pd(ab_low, cd_low)).simd_into(token),
                        arch::$to_ps(arch::$unpacklo_pd(ab_high, cd_high)).simd_into(token),
                        arch::$to_ps(arch::$unpackhi_pd(ab_high, cd_high)).simd_into(token),
                    ]
                }
            );
        };
    }

    blocks!(
        blocks_avx512, Avx512, f32x16, _mm512_unpacklo_ps, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
        _mm512_unpackhi_pd, _mm512_castps_pd, _mm512_castpd_ps
    );
    blocks!(
        blocks_avx2, Avx2, f32x8, _mm256_unpacklo_ps, _mm256_unpackhi_ps, _mm256_unpacklo_pd,
        _mm256_unpackhi_pd, _mm256_castps_pd, _mm256_castpd_ps
    );

    kernel!(
        #[inline(always)]
        pub(super) fn order_avx512(token: Avx512, rows: f32x16<Avx512>) -> f32x16<Avx512> {
            let index = arch::_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            arch::_mm512_permutexvar_ps(index, rows.into()).simd_into(token)
        }
    );
}
