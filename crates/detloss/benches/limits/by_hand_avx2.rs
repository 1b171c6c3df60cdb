//! The bar for the level below: GIoU and CIoU with their gradients in AVX2 intrinsics, eight boxes at a time. As in `by_hand`, the
//! same functions, without weights.

use std::arch::x86_64::*;

use super::by_hand::Kernel;

const MAX_MAGNITUDE: f32 = detloss::scalar::MAX_MAGNITUDE as f32;
const DIV_EPS: f32 = detloss::scalar::DIV_EPS as f32;

/// The kernels by the name of their loss. They need AVX2 with FMA: see [`available`].
pub(crate) const KERNELS: [(&str, Kernel); 2] = [("giou", giou), ("ciou", ciou)];

/// Whether this machine can run them.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn splat(value: f32) -> __m256 {
    _mm256_set1_ps(value)
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load(from: &[f32]) -> __m256 {
    assert!(from.len() >= 8);
    // SAFETY: eight elements are there.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn store(to: &mut [f32], value: __m256) {
    assert!(to.len() >= 8);
    // SAFETY: there is room for eight elements.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn lanes(value: __m256) -> [f32; 8] {
    let mut lanes = [0.0; 8];
    store(&mut lanes, value);
    lanes
}

/// The 4 × 4 transposes inside the 128-bit blocks; its own inverse.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn transpose([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let pair = |low, high| (_mm256_castps_pd(low), _mm256_castps_pd(high));
    let ((p, q), (r, s)) = (pair(ab_low, cd_low), pair(ab_high, cd_high));
    [
        _mm256_castpd_ps(_mm256_unpacklo_pd(p, q)),
        _mm256_castpd_ps(_mm256_unpackhi_pd(p, q)),
        _mm256_castpd_ps(_mm256_unpacklo_pd(r, s)),
        _mm256_castpd_ps(_mm256_unpackhi_pd(r, s)),
    ]
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load_boxes(from: &[f32]) -> [__m256; 4] {
    let [a, b, c, d] =
        transpose([load(from), load(&from[8..]), load(&from[16..]), load(&from[24..])]);
    let bound = |x| _mm256_min_ps(splat(MAX_MAGNITUDE), _mm256_max_ps(splat(-MAX_MAGNITUDE), x));
    [bound(a), bound(b), bound(c), bound(d)]
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn store_boxes(to: &mut [f32], columns: [__m256; 4]) {
    let [a, b, c, d] = transpose(columns);
    store(to, a);
    store(&mut to[8..], b);
    store(&mut to[16..], c);
    store(&mut to[24..], d);
}

/// 1 where a < b, 0 where a > b, ½ at a tie.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn less(a: __m256, b: __m256) -> __m256 {
    let below = _mm256_and_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b), splat(0.5));
    let not_above = _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(b, a), splat(0.5));
    _mm256_add_ps(below, not_above)
}

/// 1 / b where b is large enough, else 0.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn guarded_recip(b: __m256) -> __m256 {
    let enough = _mm256_cmp_ps::<_CMP_NLT_UQ>(b, splat(DIV_EPS));
    _mm256_and_ps(enough, _mm256_div_ps(splat(1.0), b))
}

/// a / b from 1 / b, exact where a = b.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn quotient(a: __m256, b: __m256, recip: __m256) -> __m256 {
    let q = _mm256_mul_ps(a, recip);
    _mm256_fmadd_ps(_mm256_fnmadd_ps(q, b, a), recip, q)
}

/// One axis of a pair of boxes: sizes, overlap and hull with their slopes by the two edges of the prediction. The hull of
/// two inverted boxes may be negative.
struct Axis {
    size: __m256,
    size_slope: __m256,
    target_size: __m256,
    overlap: __m256,
    /// By the low edge (to be negated) and the high edge.
    overlap_slope: [__m256; 2],
    hull: __m256,
    hull_slope: [__m256; 2],
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn axis(low: __m256, high: __m256, target_low: __m256, target_high: __m256) -> Axis {
    let zero = splat(0.0);
    let raw = _mm256_sub_ps(high, low);
    let size_slope = less(zero, raw);
    let overlap = _mm256_sub_ps(_mm256_min_ps(target_high, high), _mm256_max_ps(target_low, low));
    let hull = _mm256_sub_ps(_mm256_max_ps(target_high, high), _mm256_min_ps(target_low, low));
    let open = less(zero, overlap);
    let (low_inside, high_inside) = (less(target_low, low), less(high, target_high));
    Axis {
        size: _mm256_max_ps(raw, zero),
        size_slope,
        target_size: _mm256_max_ps(_mm256_sub_ps(target_high, target_low), zero),
        overlap: _mm256_max_ps(overlap, zero),
        overlap_slope: [_mm256_mul_ps(low_inside, open), _mm256_mul_ps(high_inside, open)],
        hull,
        hull_slope: [_mm256_sub_ps(splat(1.0), low_inside), _mm256_sub_ps(splat(1.0), high_inside)],
    }
}

/// Makes a negative hull empty.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn open_hull(axis: &mut Axis) {
    let open = less(splat(0.0), axis.hull);
    axis.hull = _mm256_max_ps(axis.hull, splat(0.0));
    axis.hull_slope =
        [_mm256_mul_ps(axis.hull_slope[0], open), _mm256_mul_ps(axis.hull_slope[1], open)];
}

/// The sum of the GIoU losses; the gradient times `factor` goes to `grad`.
#[target_feature(enable = "avx2,fma")]
fn giou(pred: &[f32], target: &[f32], factor: f32, grad: &mut [f32]) -> f64 {
    let factor = splat(factor);
    let mut sum = splat(0.0);
    for ((pred, target), grad) in
        pred.chunks_exact(32).zip(target.chunks_exact(32)).zip(grad.chunks_exact_mut(32))
    {
        let ([x1, y1, x2, y2], [u1, v1, u2, v2]) = (load_boxes(pred), load_boxes(target));
        let (mut x, mut y) = (axis(x1, x2, u1, u2), axis(y1, y2, v1, v2));
        open_hull(&mut x);
        open_hull(&mut y);
        let overlap = _mm256_mul_ps(x.overlap, y.overlap);
        let areas = _mm256_fmadd_ps(x.size, y.size, _mm256_mul_ps(x.target_size, y.target_size));
        let union = _mm256_sub_ps(areas, overlap);
        let hull = _mm256_mul_ps(x.hull, y.hull);
        let (by_union, by_hull) = (guarded_recip(union), guarded_recip(hull));
        let iou = quotient(overlap, union, by_union);
        let waste = quotient(_mm256_sub_ps(hull, union), hull, by_hull);
        let loss = _mm256_add_ps(_mm256_sub_ps(splat(1.0), iou), waste);
        sum = _mm256_add_ps(sum, loss);
        // dL = −((1 + iou) dI − iou dA) / U + ((1 − waste) dC − dA + dI) / C
        let by_union = _mm256_mul_ps(by_union, factor);
        let by_hull = _mm256_mul_ps(by_hull, factor);
        let of_overlap = _mm256_fnmadd_ps(_mm256_add_ps(splat(1.0), iou), by_union, by_hull);
        let of_area = _mm256_fmsub_ps(iou, by_union, by_hull);
        let of_hull = _mm256_fnmadd_ps(waste, by_hull, by_hull);
        let edges = |a: &Axis, b: &Axis| {
            let (i, p, c) = (
                _mm256_mul_ps(of_overlap, b.overlap),
                _mm256_mul_ps(_mm256_mul_ps(of_area, b.size), a.size_slope),
                _mm256_mul_ps(of_hull, b.hull),
            );
            let edge = |k: usize| {
                _mm256_fmadd_ps(i, a.overlap_slope[k], _mm256_fmadd_ps(c, a.hull_slope[k], p))
            };
            (_mm256_sub_ps(splat(0.0), edge(0)), edge(1))
        };
        let ((g1, g3), (g2, g4)) = (edges(&x, &y), edges(&y, &x));
        store_boxes(grad, [g1, g2, g3, g4]);
    }
    f64::from(lanes(sum).iter().sum::<f32>())
}

/// The sum of the CIoU losses; the gradient times `factor` goes to `grad`.
#[target_feature(enable = "avx2,fma")]
fn ciou(pred: &[f32], target: &[f32], factor: f32, grad: &mut [f32]) -> f64 {
    let factor = splat(factor);
    let (one, half) = (splat(1.0), splat(0.5));
    let scale = splat(4.0 / (std::f32::consts::PI * std::f32::consts::PI));
    let mut sum = splat(0.0);
    for ((pred, target), grad) in
        pred.chunks_exact(32).zip(target.chunks_exact(32)).zip(grad.chunks_exact_mut(32))
    {
        let ([x1, y1, x2, y2], [u1, v1, u2, v2]) = (load_boxes(pred), load_boxes(target));
        let (x, y) = (axis(x1, x2, u1, u2), axis(y1, y2, v1, v2));
        let overlap = _mm256_mul_ps(x.overlap, y.overlap);
        let areas = _mm256_fmadd_ps(x.size, y.size, _mm256_mul_ps(x.target_size, y.target_size));
        let union = _mm256_sub_ps(areas, overlap);
        let by_union = guarded_recip(union);
        let iou = quotient(overlap, union, by_union);
        let offset = |a, b, c, d| {
            _mm256_fmsub_ps(_mm256_add_ps(a, b), half, _mm256_mul_ps(_mm256_add_ps(c, d), half))
        };
        let (dx, dy) = (offset(x1, x2, u1, u2), offset(y1, y2, v1, v2));
        let diagonal = _mm256_fmadd_ps(x.hull, x.hull, _mm256_mul_ps(y.hull, y.hull));
        let by_diagonal = guarded_recip(diagonal);
        let rho = _mm256_fmadd_ps(dx, dx, _mm256_mul_ps(dy, dy));
        let distance = quotient(rho, diagonal, by_diagonal);
        let turn = _mm256_sub_ps(angle(x.target_size, y.target_size), angle(x.size, y.size));
        let v = _mm256_mul_ps(_mm256_mul_ps(turn, turn), scale);
        let base = _mm256_sub_ps(one, iou);
        let denominator = _mm256_add_ps(base, v);
        let alpha = quotient(v, denominator, guarded_recip(denominator));
        let loss = _mm256_fmadd_ps(alpha, v, _mm256_add_ps(base, distance));
        sum = _mm256_add_ps(sum, loss);

        let by_union = _mm256_mul_ps(by_union, factor);
        let by_diagonal = _mm256_mul_ps(by_diagonal, factor);
        let of_overlap =
            _mm256_sub_ps(splat(0.0), _mm256_mul_ps(_mm256_add_ps(one, iou), by_union));
        let of_area = _mm256_mul_ps(iou, by_union);
        let of_hull = _mm256_mul_ps(_mm256_mul_ps(distance, by_diagonal), splat(-2.0));
        let norm = guarded_recip(_mm256_fmadd_ps(x.size, x.size, _mm256_mul_ps(y.size, y.size)));
        let of_angle = _mm256_mul_ps(
            _mm256_mul_ps(
                _mm256_mul_ps(alpha, turn),
                splat(-8.0 / (std::f32::consts::PI * std::f32::consts::PI)),
            ),
            _mm256_mul_ps(norm, factor),
        );
        let edges = |a: &Axis, b: &Axis, off: __m256, angle_sign: f32| {
            let i = _mm256_mul_ps(of_overlap, b.overlap);
            let p = _mm256_mul_ps(
                _mm256_fmadd_ps(
                    _mm256_mul_ps(of_angle, splat(angle_sign)),
                    b.size,
                    _mm256_mul_ps(of_area, b.size),
                ),
                a.size_slope,
            );
            let c = _mm256_mul_ps(of_hull, a.hull);
            let edge = |k: usize| {
                _mm256_fmadd_ps(i, a.overlap_slope[k], _mm256_fmadd_ps(c, a.hull_slope[k], p))
            };
            let pull = _mm256_mul_ps(off, by_diagonal);
            (_mm256_sub_ps(pull, edge(0)), _mm256_add_ps(pull, edge(1)))
        };
        let ((g1, g3), (g2, g4)) = (edges(&x, &y, dx, 1.0), edges(&y, &x, dy, -1.0));
        store_boxes(grad, [g1, g2, g3, g4]);
    }
    f64::from(lanes(sum).iter().sum::<f32>())
}

/// The angle of (h, w) in the first quadrant.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn angle(w: __m256, h: __m256) -> __m256 {
    let (low, high) = (_mm256_min_ps(w, h), _mm256_max_ps(w, h));
    let positive = _mm256_cmp_ps::<_CMP_LT_OQ>(splat(0.0), high);
    let z = _mm256_and_ps(positive, _mm256_div_ps(low, high));
    let square = _mm256_mul_ps(z, z);
    let mut poly = splat(0.002_919_76);
    for coefficient in [
        -0.016_364_245,
        0.043_205_976,
        -0.075_517_29,
        0.106_657_86,
        -0.142_110_03,
        0.199_937_67,
        -0.333_331_53,
    ] {
        poly = _mm256_fmadd_ps(poly, square, splat(coefficient));
    }
    let angle = _mm256_fmadd_ps(_mm256_mul_ps(z, square), poly, z);
    let steep = _mm256_cmp_ps::<_CMP_LT_OQ>(h, w);
    let other = _mm256_sub_ps(splat(std::f32::consts::FRAC_PI_2), angle);
    _mm256_blendv_ps(angle, other, steep)
}
