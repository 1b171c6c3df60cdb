//! Sixteen boxes of four coordinates, from rows to columns and back.
//!
//! On the wide registers of x86 the transpose stays inside 128-bit blocks: eight cheap shuffles, and its own inverse. It leaves
//! the rows in another order ("quad order"), which nobody sees: every operand is permuted alike, and the store undoes it.

use fearless_simd::{Level, Simd, SimdBase, f32x4, f32x16, prelude::*};

use super::same;

/// The four columns of sixteen rows, rows in quad order.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> [f32x16<S>; 4] {
    let ([a, b, c, d], []) = from.as_chunks::<16>() else { unreachable!("sixteen rows of four") };
    if wide(simd) {
        blocks([
            f32x16::load_array_ref(simd, a),
            f32x16::load_array_ref(simd, b),
            f32x16::load_array_ref(simd, c),
            f32x16::load_array_ref(simd, d),
        ])
    } else {
        let a = f32x4::load_four_interleaved(simd, a);
        let b = f32x4::load_four_interleaved(simd, b);
        let c = f32x4::load_four_interleaved(simd, c);
        let d = f32x4::load_four_interleaved(simd, d);
        [
            join([a[0], b[0], c[0], d[0]]),
            join([a[1], b[1], c[1], d[1]]),
            join([a[2], b[2], c[2], d[2]]),
            join([a[3], b[3], c[3], d[3]]),
        ]
    }
}

/// The inverse of [`load`].
#[inline(always)]
pub(super) fn store<S: Simd>(columns: [f32x16<S>; 4], to: &mut [f32]) {
    let ([a, b, c, d], []) = to.as_chunks_mut::<16>() else { unreachable!("sixteen rows of four") };
    if wide(columns[0].token()) {
        let rows = blocks(columns);
        *a = rows[0].to_array();
        *b = rows[1].to_array();
        *c = rows[2].to_array();
        *d = rows[3].to_array();
    } else {
        let [x, y, z, w] = columns;
        let (x, y, z, w) = (quarters(x), quarters(y), quarters(z), quarters(w));
        f32x4::store_four_interleaved([x[0], y[0], z[0], w[0]], a);
        f32x4::store_four_interleaved([x[1], y[1], z[1], w[1]], b);
        f32x4::store_four_interleaved([x[2], y[2], z[2], w[2]], c);
        f32x4::store_four_interleaved([x[3], y[3], z[3], w[3]], d);
    }
}

/// From row order to quad order, and back: lane 4a + b changes place with lane 4b + a.
#[inline(always)]
pub(super) fn order<S: Simd>(rows: f32x16<S>) -> f32x16<S> {
    let simd = rows.token();
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => same(simd, kernels::order_avx512(token, same(token, rows))),
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
///
/// Written out: the standard library's `map` is not inlined into code with other CPU features, and every operation would
/// become a call.
#[inline(always)]
fn blocks<S: Simd>([a, b, c, d]: [f32x16<S>; 4]) -> [f32x16<S>; 4] {
    let simd = a.token();
    match simd.level() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(token) => {
            let [a, b, c, d] = kernels::blocks_avx512(
                token,
                same(token, a),
                same(token, b),
                same(token, c),
                same(token, d),
            );
            [same(simd, a), same(simd, b), same(simd, c), same(simd, d)]
        }
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx2(token) => {
            let [(a, e), (b, f), (c, g), (d, h)] = [
                same(token, a).split(),
                same(token, b).split(),
                same(token, c).split(),
                same(token, d).split(),
            ];
            let [a, b, c, d] = kernels::blocks_avx2(token, a, b, c, d);
            let [e, f, g, h] = kernels::blocks_avx2(token, e, f, g, h);
            [
                same(simd, a.combine(e)),
                same(simd, b.combine(f)),
                same(simd, c.combine(g)),
                same(simd, d.combine(h)),
            ]
        }
        _ => [a, b, c, d],
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
        blocks_avx512,
        Avx512,
        f32x16,
        _mm512_unpacklo_ps,
        _mm512_unpackhi_ps,
        _mm512_unpacklo_pd,
        _mm512_unpackhi_pd,
        _mm512_castps_pd,
        _mm512_castpd_ps
    );
    blocks!(
        blocks_avx2,
        Avx2,
        f32x8,
        _mm256_unpacklo_ps,
        _mm256_unpackhi_ps,
        _mm256_unpacklo_pd,
        _mm256_unpackhi_pd,
        _mm256_castps_pd,
        _mm256_castpd_ps
    );

    kernel!(
        #[inline(always)]
        pub(super) fn order_avx512(token: Avx512, rows: f32x16<Avx512>) -> f32x16<Avx512> {
            let index =
                arch::_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            arch::_mm512_permutexvar_ps(index, rows.into()).simd_into(token)
        }
    );
}
