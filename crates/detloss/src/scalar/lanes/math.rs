//! Elementary functions of sixteen lanes.
//!
//! Levels with a fused multiply-add give the same bits as each other; SSE2, SSE4.2, wasm and the
//! fallback round twice and differ by an ULP or so. The error bounds below are measured against f64
//! (see the tests): first with fused multiply-add, over every f32, then without, over a sample.
//!
//! The polynomials are minimax in relative error; `tools/minimax.py` computes and prints them.

use fearless_simd::{f32x16, f64x8, i32x16, i64x8, mask32x16, prelude::*};

/// The least x whose e^x is a normal number: ln(f32::MIN_POSITIVE) rounded up.
const EXP_UNDERFLOW: f32 = -87.336_54;
/// The greatest x whose e^x is finite: ln(f32::MAX) rounded down.
const EXP_OVERFLOW: f32 = 88.722_83;
/// 1.5 * 2^23: adding it rounds to an integer, which is left in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// ln(2) in two parts. The high one has ten bits, so its products with exponents are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// The greatest f32 below 2^126.5, where the scale of ln_1p's argument would leave the normal range.
const LN_1P_GREATEST: f32 = f32::from_bits(0x7eb5_04f2);
const SIGN_BIT: i32 = i32::MIN;

/// e^r = 1 + r + r^2 P(r) on [-ln(2)/2, ln(2)/2]; relative error 2^-28.25.
const EXP: [f32; 5] = [0.499_999_94, 0.166_665_23, 0.041_668_292, 0.008_368_532, 0.001_381_829_8];
/// ln(1 + f) = f + f^2 P(f) on [sqrt(1/2) - 1, sqrt(2) - 1]; relative error 2^-24.98.
const LN: [f32; 8] = [
    -0.499_999_9,
    0.333_339_45,
    -0.250_017_76,
    0.199_622_4,
    -0.165_703_13,
    0.149_163_56,
    -0.143_077_24,
    0.087_387_92,
];
/// ln(1 + x) = x + x^2 P(x) on [0, 1]; relative error 2^-24.85.
const LN_1P_UNIT: [f32; 8] = [
    -0.499_996_48,
    0.333_213_3,
    -0.248_572_17,
    0.191_538_48,
    -0.137_541_88,
    0.079_208_83,
    -0.030_068_3,
    0.005_365_422_5,
];
/// atan(z) = z + z^3 P(z^2) on [0, 1]; relative error 2^-25.83.
const ATAN: [f32; 8] = [
    -0.333_331_53,
    0.199_937_67,
    -0.142_110_03,
    0.106_657_86,
    -0.075_517_29,
    0.043_205_976,
    -0.016_364_245,
    0.002_919_76,
];

/// sin(r) = r + r^3 P(r^2) on [-pi/4, pi/4]; relative error 2^-27.91.
const SIN: [f32; 3] = [-0.166_666_55, 0.008_332_189, -0.000_195_182_92];
/// cos(r) = 1 - r^2/2 + r^4 P(r^2) on [-pi/4, pi/4]; relative error 2^-32.99.
const COS: [f32; 3] = [0.041_666_646, -0.001_388_731, 2.443_232_7e-5];
/// 1.5 * 2^52, which is to f64 what ROUND is to f32.
const ROUND_F64: f64 = 6_755_399_441_055_744.0;
/// pi/2 in two parts. The high one has 33 bits, so its products with whole numbers below 2^20 are exact.
const FRAC_PI_2_HIGH: f64 = 1.570_796_326_734_125_6;
const FRAC_PI_2_LOW: f64 = 6.077_100_506_506_192e-11;
/// Here and below, e^x - 1 rounds to -1.
const EXP_M1_LEAST: f32 = -17.5;

/// Horner's scheme, lowest coefficient first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(x: f32x16<S>, coefficients: [f32; N]) -> f32x16<S> {
    let mut sum = f32x16::splat(x.simd, coefficients[N - 1]);
    for k in (0..N - 1).rev() {
        sum = sum.mul_add(x, f32x16::splat(x.simd, coefficients[k]));
    }
    sum
}

/// x = r + n ln(2) with r in about [-ln(2)/2, ln(2)/2]; returns r and n * 2^23.
#[inline(always)]
fn exp_reduced<S: Simd>(x: f32x16<S>) -> (f32x16<S>, i32x16<S>) {
    let simd = x.simd;
    let rounded =
        x.mul_add(f32x16::splat(simd, std::f32::consts::LOG2_E), f32x16::splat(simd, ROUND));
    let n = rounded - ROUND;
    let r = n.mul_add(f32x16::splat(simd, -LN_2_HIGH), x);
    let r = n.mul_add(f32x16::splat(simd, -LN_2_LOW), r);
    (r, rounded.bitcast::<i32x16<S>>() << 23)
}

/// e^x = mantissa * 2^n with mantissa in about [0.7, 1.42]; returns the mantissa and n * 2^23.
#[inline(always)]
fn exp_parts<S: Simd>(x: f32x16<S>) -> (f32x16<S>, i32x16<S>) {
    let (r, shifted_n) = exp_reduced(x);
    let one = f32x16::splat(x.simd, 1.0);
    let mantissa = polynomial(r, EXP).mul_add(r, one).mul_add(r, one);
    (mantissa, shifted_n)
}

/// e^x of every x; error at most 1.0 ULP fused, 1.2 not.
///
/// Exactly 0 below ln(f32::MIN_POSITIVE) = -87.34 (no subnormal results), the greatest result
/// (3.4e38, finite) above ln(f32::MAX) = 88.72; e^0 = 1; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let simd = x.simd;
    let underflow = f32x16::splat(simd, EXP_UNDERFLOW);
    let x_finite = x.clamp(underflow, f32x16::splat(simd, EXP_OVERFLOW));
    let (mantissa, shifted_n) = exp_parts(x_finite);
    // 2^128 is no f32, but mantissa * 2^128 may be one: add to the exponent instead of multiplying.
    // That may turn NaN into a number, so NaN takes the other branch, where NaN * 0 is NaN.
    let value = (mantissa.bitcast::<i32x16<S>>() + shifted_n).bitcast::<f32x16<S>>();
    x.simd_ge(underflow).select(value, mantissa * 0.0)
}

/// The square root of every x >= 0, rounded correctly.
#[inline(always)]
pub(crate) fn sqrt<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    x.sqrt()
}

/// e^x - 1 of every x; error at most 1.5 ULP fused, 1.6 not.
///
/// Relative accuracy holds down to the smallest x; the greatest result (3.4e38, finite) above ln(f32::MAX) = 88.72; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp_m1<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let simd = x.simd;
    let (least, greatest) = (f32x16::splat(simd, EXP_M1_LEAST), f32x16::splat(simd, EXP_OVERFLOW));
    let (r, shifted_n) = exp_reduced(x.clamp(least, greatest));
    let rest = (polynomial(r, EXP) * r).mul_add(r, r);
    // 2^128 is no f32: the half of the result, twice. But then the tiny ones, which are x itself, would be subnormal.
    let half = (shifted_n + 0.5_f32.to_bits().cast_signed()).bitcast::<f32x16<S>>();
    let value = rest.mul_add(half, half - 0.5) * 2.0;
    // NaN is not above.
    x.abs().simd_gt(f32::EPSILON / 4.0).select(value, x)
}

/// e^-|x|, the same bits as `exp` gives, for a few instructions less.
///
/// The logistic functions all start with it, so that they share it when used together.
#[inline(always)]
fn exp_neg_abs<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let simd = x.simd;
    let x = (x.bitcast::<i32x16<S>>() | SIGN_BIT).bitcast::<f32x16<S>>();
    let (mantissa, shifted_n) = exp_parts(x);
    let scale = (shifted_n + 1.0_f32.to_bits().cast_signed()).bitcast::<f32x16<S>>();
    let zero = f32x16::splat(simd, 0.0);
    x.simd_lt(EXP_UNDERFLOW).select(zero, mantissa * scale)
}

/// The exponent n that leaves x / 2^n in [sqrt(1/2), sqrt(2)), for normal x > 0; times 2^23.
#[inline(always)]
fn centred_exponent<S: Simd>(x: f32x16<S>) -> i32x16<S> {
    const EXPONENT_BITS: i32 = 0xff80_0000_u32.cast_signed();
    const SQRT_HALF_BITS: i32 = std::f32::consts::FRAC_1_SQRT_2.to_bits().cast_signed();
    (x.bitcast::<i32x16<S>>() - SQRT_HALF_BITS) & EXPONENT_BITS
}

/// ln((1 + f) * 2^n) from n * 2^23 and f in [sqrt(1/2) - 1, sqrt(2) - 1).
#[inline(always)]
fn ln_parts<S: Simd>(f: f32x16<S>, shifted_n: i32x16<S>) -> f32x16<S> {
    let simd = f.simd;
    let n = (shifted_n >> 23).to_float::<f32x16<S>>();
    let tail = (f * f).mul_add(polynomial(f, LN), n * LN_2_LOW);
    n.mul_add(f32x16::splat(simd, LN_2_HIGH), f + tail)
}

/// ln(x) of every x; error at most 1.2 ULP fused, 1.2 not.
///
/// Below f32::MIN_POSITIVE (subnormal, 0, negative) it is ln(f32::MIN_POSITIVE) = -87.34;
/// ln(1) = 0; of infinity 88.72; NaN stays NaN.
#[inline(always)]
pub(crate) fn ln<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let simd = x.simd;
    let normal = x.max(f32x16::splat(simd, f32::MIN_POSITIVE));
    let shifted_n = centred_exponent(normal);
    let centred = (normal.bitcast::<i32x16<S>>() - shifted_n).bitcast::<f32x16<S>>();
    x.simd_ne(x).select(x, ln_parts(centred - 1.0, shifted_n))
}

/// ln(1 + x) for x >= 0; error at most 1.8 ULP fused, 1.8 not.
///
/// Negative x counts as 0 and x above 2^126.5 = 1.2e38 as 2^126.5; ln_1p(0) = 0; NaN stays NaN.
#[inline(always)]
pub(crate) fn ln_1p<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let simd = x.simd;
    let x = x.clamp(f32x16::splat(simd, 0.0), f32x16::splat(simd, LN_1P_GREATEST));
    // The rounding of 1 + x only decides the exponent: f itself comes from x and is rounded once.
    let shifted_n = centred_exponent(x + 1.0);
    let one_bits = i32x16::splat(simd, 1.0_f32.to_bits().cast_signed());
    let scale = (one_bits - shifted_n).bitcast::<f32x16<S>>();
    ln_parts(x.mul_add(scale, scale - 1.0), shifted_n)
}

/// ln(1 + x) for x in [0, 1], without the reduction of `ln_1p`. NaN stays NaN.
#[inline(always)]
fn ln_1p_unit<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    (x * x).mul_add(polynomial(x, LN_1P_UNIT), x)
}

/// The angle of the point (x, y) with x >= 0 and y >= 0, in [0, pi/2].
///
/// Error at most 2.0 ULP fused, 2.1 not (random points).
///
/// atan2(0, 0) = 0 and atan2(y, 0) = pi/2. Points of the same rounded ratio have the same bits, so
/// atan2(a, a) is one number for all finite a > 0. NaN stays NaN, and two infinities give NaN.
#[inline(always)]
pub(crate) fn atan2<S: Simd>(y: f32x16<S>, x: f32x16<S>) -> f32x16<S> {
    let simd = y.simd;
    let steep = y.simd_gt(x);
    let (short, long) = (steep.select(x, y), steep.select(y, x));
    let z = long.simd_eq(0.0).select(f32x16::splat(simd, 0.0), short / long);
    octant_angle(z, steep)
}

/// atan(x) of every x; error at most 2.0 ULP fused, 2.1 not.
///
/// Odd, with atan(0) = 0 and atan(inf) = pi/2; NaN stays NaN.
#[inline(always)]
pub(crate) fn atan<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let one = f32x16::splat(x.simd, 1.0);
    let length = x.abs();
    let steep = length.simd_gt(one);
    let z = steep.select(one, length) / steep.select(length, one);
    octant_angle(z, steep).copysign(x)
}

/// atan(z) for z in [0, 1], mirrored to pi/2 - atan(z) where `steep`.
#[inline(always)]
fn octant_angle<S: Simd>(z: f32x16<S>, steep: mask32x16<S>) -> f32x16<S> {
    let square = z * z;
    let angle = (z * square).mul_add(polynomial(square, ATAN), z);
    steep.select(std::f32::consts::FRAC_PI_2 - angle, angle)
}

/// sin(x); error at most 1.6 ULP, fused or not, for |x| up to 1e5.
///
/// Beyond 1e6 the error grows with x, and from about 1e15 on only -1 <= sin(x) <= 1 is left; NaN stays NaN, infinity gives NaN.
#[inline(always)]
pub(crate) fn sin<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let (r, turns) = quarter_turns(x);
    sin_of_turned(r, turns)
}

/// cos(x); error and range as those of [`sin`].
#[inline(always)]
pub(crate) fn cos<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let (r, turns) = quarter_turns(x);
    sin_of_turned(r, turns + 1)
}

/// sin(r + n pi/2) for r in [-pi/4, pi/4].
#[inline(always)]
fn sin_of_turned<S: Simd>(r: f32x16<S>, n: i32x16<S>) -> f32x16<S> {
    let square = r * r;
    let sin = (r * square).mul_add(polynomial(square, SIN), r);
    let one = f32x16::splat(r.simd, 1.0);
    let most = square.mul_add(f32x16::splat(r.simd, -0.5), one);
    let cos = (square * square).mul_add(polynomial(square, COS), most);
    let size = (n & 1).simd_eq(0).select(sin, cos);
    (size.bitcast::<i32x16<S>>() ^ ((n & 2) << 30)).bitcast::<f32x16<S>>()
}

#[inline(always)]
fn quarter_turns_f64<S: Simd>(x: f64x8<S>) -> (f64x8<S>, i64x8<S>) {
    let simd = x.simd;
    let per_turn = f64x8::splat(simd, std::f64::consts::FRAC_2_PI);
    let rounded = x.mul_add(per_turn, f64x8::splat(simd, ROUND_F64));
    let n = rounded - ROUND_F64;
    let r = n.mul_add(f64x8::splat(simd, -FRAC_PI_2_HIGH), x);
    let r = n.mul_add(f64x8::splat(simd, -FRAC_PI_2_LOW), r);
    (r, rounded.bitcast::<i64x8<S>>())
}

/// x = r + n pi/2 with r in [-pi/4, pi/4]; n by its lowest bits.
///
/// By way of f64, where many turns can be taken away without a trace, with and without fused multiply-add.
#[inline(always)]
fn quarter_turns<S: Simd>(x: f32x16<S>) -> (f32x16<S>, i32x16<S>) {
    let (low, high) = x.widen();
    let ((low, low_n), (high, high_n)) = (quarter_turns_f64(low), quarter_turns_f64(high));
    // Of an angle beyond what f64 resolves, r is anything.
    let limit = f32x16::splat(x.simd, 0.786);
    (low.narrow(high).clamp(-limit, limit), low_n.narrow(high_n))
}

/// 1 / (1 + e^-x) of every x; error at most 2.8 ULP fused, 2.8 not.
///
/// Relative accuracy holds down to e^-87.34, exactly 0 below; NaN stays NaN.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    let e = exp_neg_abs(x);
    let r = 1.0 / (e + 1.0);
    x.simd_lt(0.0).select(e * r, r)
}

/// ln(1 + e^x) of every x; error at most 2.2 ULP fused, 2.4 not.
///
/// Relative accuracy holds down to e^-87.34, exactly 0 below; NaN stays NaN.
#[inline(always)]
pub(crate) fn softplus<S: Simd>(x: f32x16<S>) -> f32x16<S> {
    x.max(f32x16::splat(x.simd, 0.0)) + ln_1p_unit(exp_neg_abs(x))
}

#[cfg(test)]
mod tests;
