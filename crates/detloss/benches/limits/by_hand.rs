//! The bar for the generic design: focal, GIoU and CIoU with their gradients in AVX-512 intrinsics, written and scheduled by
//! hand. They compute the same functions: the same ties, clamps and guards, without weights.

use std::arch::x86_64::*;

const MAX_MAGNITUDE: f32 = detloss::scalar::MAX_MAGNITUDE as f32;
const DIV_EPS: f32 = detloss::scalar::DIV_EPS as f32;

/// Predictions, targets, a factor for the gradient, and room for it; returns the sum of the losses.
pub(crate) type Kernel = unsafe fn(&[f32], &[f32], f32, &mut [f32]) -> f64;

/// The kernels by the name of their loss. They need AVX-512: see [`available`].
pub(crate) const KERNELS: [(&str, Kernel); 3] = [("focal", focal), ("giou", giou), ("ciou", ciou)];

/// Whether this machine can run them.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn splat(value: f32) -> __m512 {
    _mm512_set1_ps(value)
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn load(from: &[f32]) -> __m512 {
    assert!(from.len() >= 16);
    // SAFETY: sixteen elements are there.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn store(to: &mut [f32], value: __m512) {
    assert!(to.len() >= 16);
    // SAFETY: there is room for sixteen elements.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
}

/// The 4 × 4 transposes inside the 128-bit blocks; its own inverse.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn transpose([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    let pair = |low, high| (_mm512_castps_pd(low), _mm512_castps_pd(high));
    let ((p, q), (r, s)) = (pair(ab_low, cd_low), pair(ab_high, cd_high));
    [
        _mm512_castpd_ps(_mm512_unpacklo_pd(p, q)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(p, q)),
        _mm512_castpd_ps(_mm512_unpacklo_pd(r, s)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(r, s)),
    ]
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn load_boxes(from: &[f32]) -> [__m512; 4] {
    let [a, b, c, d] =
        transpose([load(from), load(&from[16..]), load(&from[32..]), load(&from[48..])]);
    let bound = |x| _mm512_min_ps(splat(MAX_MAGNITUDE), _mm512_max_ps(splat(-MAX_MAGNITUDE), x));
    [bound(a), bound(b), bound(c), bound(d)]
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn store_boxes(to: &mut [f32], columns: [__m512; 4]) {
    let [a, b, c, d] = transpose(columns);
    store(to, a);
    store(&mut to[16..], b);
    store(&mut to[32..], c);
    store(&mut to[48..], d);
}

/// 1 where a < b, 0 where a > b, ½ at a tie.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn less(a: __m512, b: __m512) -> __m512 {
    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
    let above = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(b, a);
    _mm512_mask_blend_ps(below, _mm512_mask_blend_ps(above, splat(0.5), splat(0.0)), splat(1.0))
}

/// 1 / b where b is large enough, else 0.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn guarded_recip(b: __m512) -> __m512 {
    let enough = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(b, splat(DIV_EPS));
    _mm512_maskz_div_ps(enough, splat(1.0), b)
}

/// a / b from 1 / b, exact where a = b.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn quotient(a: __m512, b: __m512, recip: __m512) -> __m512 {
    let q = _mm512_mul_ps(a, recip);
    _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, a), recip, q)
}

/// One axis of a pair of boxes: sizes, overlap and hull with their slopes by the two edges of the prediction. The hull of
/// two inverted boxes may be negative.
struct Axis {
    size: __m512,
    size_slope: __m512,
    target_size: __m512,
    overlap: __m512,
    /// By the low edge (to be negated) and the high edge.
    overlap_slope: [__m512; 2],
    hull: __m512,
    hull_slope: [__m512; 2],
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn axis(low: __m512, high: __m512, target_low: __m512, target_high: __m512) -> Axis {
    let zero = splat(0.0);
    let raw = _mm512_sub_ps(high, low);
    let size_slope = less(zero, raw);
    let overlap = _mm512_sub_ps(_mm512_min_ps(target_high, high), _mm512_max_ps(target_low, low));
    let hull = _mm512_sub_ps(_mm512_max_ps(target_high, high), _mm512_min_ps(target_low, low));
    let open = less(zero, overlap);
    let (low_inside, high_inside) = (less(target_low, low), less(high, target_high));
    Axis {
        size: _mm512_max_ps(raw, zero),
        size_slope,
        target_size: _mm512_max_ps(_mm512_sub_ps(target_high, target_low), zero),
        overlap: _mm512_max_ps(overlap, zero),
        overlap_slope: [_mm512_mul_ps(low_inside, open), _mm512_mul_ps(high_inside, open)],
        hull,
        hull_slope: [_mm512_sub_ps(splat(1.0), low_inside), _mm512_sub_ps(splat(1.0), high_inside)],
    }
}

/// Makes a negative hull empty.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn open_hull(axis: &mut Axis) {
    let open = less(splat(0.0), axis.hull);
    axis.hull = _mm512_max_ps(axis.hull, splat(0.0));
    axis.hull_slope =
        [_mm512_mul_ps(axis.hull_slope[0], open), _mm512_mul_ps(axis.hull_slope[1], open)];
}

/// The sum of the GIoU losses; the gradient times `factor` goes to `grad`.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn giou(pred: &[f32], target: &[f32], factor: f32, grad: &mut [f32]) -> f64 {
    let factor = splat(factor);
    let mut sum = splat(0.0);
    for ((pred, target), grad) in
        pred.chunks_exact(64).zip(target.chunks_exact(64)).zip(grad.chunks_exact_mut(64))
    {
        let ([x1, y1, x2, y2], [u1, v1, u2, v2]) = (load_boxes(pred), load_boxes(target));
        let (mut x, mut y) = (axis(x1, x2, u1, u2), axis(y1, y2, v1, v2));
        open_hull(&mut x);
        open_hull(&mut y);
        let overlap = _mm512_mul_ps(x.overlap, y.overlap);
        let areas = _mm512_fmadd_ps(x.size, y.size, _mm512_mul_ps(x.target_size, y.target_size));
        let union = _mm512_sub_ps(areas, overlap);
        let hull = _mm512_mul_ps(x.hull, y.hull);
        let (by_union, by_hull) = (guarded_recip(union), guarded_recip(hull));
        let iou = quotient(overlap, union, by_union);
        let waste = quotient(_mm512_sub_ps(hull, union), hull, by_hull);
        let loss = _mm512_add_ps(_mm512_sub_ps(splat(1.0), iou), waste);
        sum = _mm512_add_ps(sum, loss);
        // dL = −((1 + iou) dI − iou dA) / U + ((1 − waste) dC − dA + dI) / C
        let by_union = _mm512_mul_ps(by_union, factor);
        let by_hull = _mm512_mul_ps(by_hull, factor);
        let of_overlap = _mm512_fnmadd_ps(_mm512_add_ps(splat(1.0), iou), by_union, by_hull);
        let of_area = _mm512_fmsub_ps(iou, by_union, by_hull);
        let of_hull = _mm512_fnmadd_ps(waste, by_hull, by_hull);
        let edges = |a: &Axis, b: &Axis| {
            let (i, p, c) = (
                _mm512_mul_ps(of_overlap, b.overlap),
                _mm512_mul_ps(_mm512_mul_ps(of_area, b.size), a.size_slope),
                _mm512_mul_ps(of_hull, b.hull),
            );
            let edge = |k: usize| {
                _mm512_fmadd_ps(i, a.overlap_slope[k], _mm512_fmadd_ps(c, a.hull_slope[k], p))
            };
            (_mm512_sub_ps(splat(0.0), edge(0)), edge(1))
        };
        let ((g1, g3), (g2, g4)) = (edges(&x, &y), edges(&y, &x));
        store_boxes(grad, [g1, g2, g3, g4]);
    }
    f64::from(_mm512_reduce_add_ps(sum))
}

/// The sum of the CIoU losses; the gradient times `factor` goes to `grad`.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn ciou(pred: &[f32], target: &[f32], factor: f32, grad: &mut [f32]) -> f64 {
    let factor = splat(factor);
    let (one, half) = (splat(1.0), splat(0.5));
    let scale = splat(4.0 / (std::f32::consts::PI * std::f32::consts::PI));
    let mut sum = splat(0.0);
    for ((pred, target), grad) in
        pred.chunks_exact(64).zip(target.chunks_exact(64)).zip(grad.chunks_exact_mut(64))
    {
        let ([x1, y1, x2, y2], [u1, v1, u2, v2]) = (load_boxes(pred), load_boxes(target));
        let (x, y) = (axis(x1, x2, u1, u2), axis(y1, y2, v1, v2));
        let overlap = _mm512_mul_ps(x.overlap, y.overlap);
        let areas = _mm512_fmadd_ps(x.size, y.size, _mm512_mul_ps(x.target_size, y.target_size));
        let union = _mm512_sub_ps(areas, overlap);
        let by_union = guarded_recip(union);
        let iou = quotient(overlap, union, by_union);
        let offset = |a, b, c, d| {
            _mm512_fmsub_ps(_mm512_add_ps(a, b), half, _mm512_mul_ps(_mm512_add_ps(c, d), half))
        };
        let (dx, dy) = (offset(x1, x2, u1, u2), offset(y1, y2, v1, v2));
        let diagonal = _mm512_fmadd_ps(x.hull, x.hull, _mm512_mul_ps(y.hull, y.hull));
        let by_diagonal = guarded_recip(diagonal);
        let rho = _mm512_fmadd_ps(dx, dx, _mm512_mul_ps(dy, dy));
        let distance = quotient(rho, diagonal, by_diagonal);
        let turn = _mm512_sub_ps(angle(x.target_size, y.target_size), angle(x.size, y.size));
        let v = _mm512_mul_ps(_mm512_mul_ps(turn, turn), scale);
        let base = _mm512_sub_ps(one, iou);
        let denominator = _mm512_add_ps(base, v);
        let alpha = quotient(v, denominator, guarded_recip(denominator));
        let loss = _mm512_fmadd_ps(alpha, v, _mm512_add_ps(base, distance));
        sum = _mm512_add_ps(sum, loss);

        let by_union = _mm512_mul_ps(by_union, factor);
        let by_diagonal = _mm512_mul_ps(by_diagonal, factor);
        let of_overlap =
            _mm512_sub_ps(splat(0.0), _mm512_mul_ps(_mm512_add_ps(one, iou), by_union));
        let of_area = _mm512_mul_ps(iou, by_union);
        let of_hull = _mm512_mul_ps(_mm512_mul_ps(distance, by_diagonal), splat(-2.0));
        let norm = guarded_recip(_mm512_fmadd_ps(x.size, x.size, _mm512_mul_ps(y.size, y.size)));
        let of_angle = _mm512_mul_ps(
            _mm512_mul_ps(
                _mm512_mul_ps(alpha, turn),
                splat(-8.0 / (std::f32::consts::PI * std::f32::consts::PI)),
            ),
            _mm512_mul_ps(norm, factor),
        );
        let edges = |a: &Axis, b: &Axis, off: __m512, angle_sign: f32| {
            let i = _mm512_mul_ps(of_overlap, b.overlap);
            let p = _mm512_mul_ps(
                _mm512_fmadd_ps(
                    _mm512_mul_ps(of_angle, splat(angle_sign)),
                    b.size,
                    _mm512_mul_ps(of_area, b.size),
                ),
                a.size_slope,
            );
            let c = _mm512_mul_ps(of_hull, a.hull);
            let edge = |k: usize| {
                _mm512_fmadd_ps(i, a.overlap_slope[k], _mm512_fmadd_ps(c, a.hull_slope[k], p))
            };
            let pull = _mm512_mul_ps(off, by_diagonal);
            (_mm512_sub_ps(pull, edge(0)), _mm512_add_ps(pull, edge(1)))
        };
        let ((g1, g3), (g2, g4)) = (edges(&x, &y, dx, 1.0), edges(&y, &x, dy, -1.0));
        store_boxes(grad, [g1, g2, g3, g4]);
    }
    f64::from(_mm512_reduce_add_ps(sum))
}

/// The angle of (h, w) in the first quadrant.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn angle(w: __m512, h: __m512) -> __m512 {
    let (low, high) = (_mm512_min_ps(w, h), _mm512_max_ps(w, h));
    let positive = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(splat(0.0), high);
    let z = _mm512_maskz_div_ps(positive, low, high);
    let square = _mm512_mul_ps(z, z);
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
        poly = _mm512_fmadd_ps(poly, square, splat(coefficient));
    }
    let angle = _mm512_fmadd_ps(_mm512_mul_ps(z, square), poly, z);
    let steep = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(h, w);
    _mm512_mask_sub_ps(angle, steep, splat(std::f32::consts::FRAC_PI_2), angle)
}

/// The sum of the focal losses (gamma 2, alpha ¼, soft labels); the gradient times `factor` goes to `grad`.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn focal(logit: &[f32], label: &[f32], factor: f32, grad: &mut [f32]) -> f64 {
    let factor = splat(factor);
    let one = splat(1.0);
    let mut sum = splat(0.0);
    for ((logit, label), grad) in
        logit.chunks_exact(16).zip(label.chunks_exact(16)).zip(grad.chunks_exact_mut(16))
    {
        let (x, y) = (load(logit), load(label));
        let magnitude = _mm512_abs_ps(x);
        // e^−|x|
        let minus = _mm512_sub_ps(splat(0.0), magnitude);
        let n = _mm512_roundscale_ps::<0x08>(_mm512_mul_ps(minus, splat(std::f32::consts::LOG2_E)));
        let r = _mm512_fnmadd_ps(n, splat(0.693_359_4), minus);
        let r = _mm512_fmadd_ps(n, splat(2.121_944_4e-4), r);
        let mut poly = splat(0.001_381_829_8);
        for coefficient in [0.008_368_532, 0.041_668_292, 0.166_665_23, 0.499_999_94, 1.0, 1.0] {
            poly = _mm512_fmadd_ps(poly, r, splat(coefficient));
        }
        let normal = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(minus, splat(-87.336_54));
        let e = _mm512_maskz_scalef_ps(normal, poly, n);
        let recip = _mm512_div_ps(one, _mm512_add_ps(one, e));
        let small = _mm512_mul_ps(e, recip);
        // ln(1 + e)
        let mut poly = splat(0.005_365_422_5);
        for coefficient in [
            -0.030_068_3,
            0.079_208_83,
            -0.137_541_88,
            0.191_538_48,
            -0.248_572_17,
            0.333_213_3,
            -0.499_996_48,
        ] {
            poly = _mm512_fmadd_ps(poly, e, splat(coefficient));
        }
        let tail = _mm512_fmadd_ps(_mm512_mul_ps(e, e), poly, e);
        let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
        let p = _mm512_mask_blend_ps(negative, recip, small);
        let q = _mm512_mask_blend_ps(negative, small, recip);
        let against = _mm512_sub_ps(one, y);
        let wrong = _mm512_fmadd_ps(p, against, _mm512_mul_ps(q, y));
        let cross_entropy =
            _mm512_add_ps(_mm512_fnmadd_ps(x, y, _mm512_max_ps(x, splat(0.0))), tail);
        let balance = _mm512_fmadd_ps(y, splat(-0.5), splat(0.75));
        let weight = _mm512_mul_ps(balance, wrong);
        let value = _mm512_mul_ps(_mm512_mul_ps(weight, wrong), cross_entropy);
        sum = _mm512_add_ps(sum, value);
        // d wrong = p q (1 − 2y), d ce = p − y written as p (1 − y) − q y
        let slope = _mm512_mul_ps(_mm512_mul_ps(p, q), _mm512_sub_ps(against, y));
        let ce_slope = _mm512_fmsub_ps(p, against, _mm512_mul_ps(q, y));
        let inner = _mm512_fmadd_ps(
            _mm512_add_ps(slope, slope),
            cross_entropy,
            _mm512_mul_ps(wrong, ce_slope),
        );
        store(grad, _mm512_mul_ps(_mm512_mul_ps(weight, inner), factor));
    }
    f64::from(_mm512_reduce_add_ps(sum))
}
