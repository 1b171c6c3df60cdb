//! Every f32 against f64, on every instruction set of the machine.
//!
//! The reference is a Taylor polynomial of degree 4 about the first of each 256 neighbouring floats.
//! They span at most 2^-9 where a function bends on an absolute scale (the exponentials) and a
//! 2^-15th of themselves elsewhere, so its remainder stays below 2^-45 of the value.

mod functions;

use super::*;
use crate::scalar::lanes::heaviside::heaviside;
use fearless_simd::{Level, dispatch, f64x8, u32x16, u64x8};
use functions::*;
use std::cmp::Ordering;
use std::ops::Range;

const BLOCK: u32 = 256;
const POSITIVE: Range<u32> = 0..0x7f80_0000;
const NEGATIVE: Range<u32> = 0x8000_0000..0xff80_0000;
/// The angles that sine and cosine promise to be accurate for, not negative.
const ANGLES: Range<u32> = 0..0x47c3_5000;
/// From here on, floats that are neighbours are compared with `f64` one by one where a function is periodic.
const PERIODIC_FROM: f64 = 32.0;
/// Blocks from one to the next of a sample; prime, so that it meets every part of a binade.
const SAMPLE: usize = 61;

/// The distance in units in the last place of the reference; NaN if `value` is.
#[inline(always)]
fn ulps<S: Simd>(value: f64x8<S>, reference: f64x8<S>) -> f64x8<S> {
    let binade = (reference.bitcast::<u64x8<S>>() & 0x7ff0_0000_0000_0000).bitcast::<f64x8<S>>();
    let least = f64x8::splat(value.simd, f64::from(f32::from_bits(1)));
    let ulp = (binade * f64::from(f32::EPSILON)).max(least);
    (value - reference).abs() / ulp
}

#[inline(always)]
fn block_values<F: Function, S: Simd>(simd: S, start: u32) -> [f32; BLOCK as usize] {
    let mut values: [f32; BLOCK as usize] =
        std::array::from_fn(|k| f32::from_bits(start + k as u32));
    for chunk in values.chunks_exact_mut(16) {
        F::lanes(f32x16::from_slice(simd, chunk)).store_slice(chunk);
    }
    values
}

#[inline(always)]
fn worst_of_blocks<F: Function, S: Simd>(simd: S, starts: impl Iterator<Item = u32>) -> f64 {
    let counting = u32x16::from_slice(simd, &std::array::from_fn::<u32, 16, _>(|k| k as u32));
    let (low, high) = (f32x16::splat(simd, F::LOW), f32x16::splat(simd, F::HIGH));
    let zero = f64x8::splat(simd, 0.0);
    let nan_is_worst = f64x8::splat(simd, f64::INFINITY);
    let mut worst = zero;
    for start in starts {
        let first = f64::from(f32::from_bits(start).clamp(F::LOW, F::HIGH));
        let [a, b, c, d, e] = F::taylor(first).map(|factor| f64x8::splat(simd, factor));
        for offset in (0..BLOCK).step_by(16) {
            let x = (counting + (start + offset)).bitcast::<f32x16<S>>();
            let (values, clamped) = (F::lanes(x).widen(), x.clamp(low, high).widen());
            for (value, x) in [(values.0, clamped.0), (values.1, clamped.1)] {
                if F::IS_PERIODIC && first > PERIODIC_FROM {
                    let reference: [f64; 8] =
                        std::array::from_fn(|k| F::taylor(x.as_slice()[k])[0]);
                    let error = ulps(value, f64x8::from_slice(simd, &reference));
                    worst = worst.max(error.simd_eq(error).select(error, nan_is_worst));
                    continue;
                }
                let step = x - first;
                let near = e.mul_add(step, d).mul_add(step, c).mul_add(step, b).mul_add(step, a);
                let reference = x.simd_lt(f64::from(F::ZERO_BELOW)).select(zero, near);
                let error = ulps(value, reference);
                worst = worst.max(error.simd_eq(error).select(error, nan_is_worst));
            }
        }
    }
    worst.as_slice().iter().copied().fold(0.0, f64::max)
}

/// The worst error over every `stride`th block of `bits`, on all threads.
fn worst<F: Function>(level: Level, bits: Range<u32>, stride: usize) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let blocks = bits.clone().step_by(BLOCK as usize * stride);
                let starts = blocks.skip(thread).step_by(threads);
                scope.spawn(move || {
                    dispatch!(level, simd => simd.vectorize(
                        #[inline(always)]
                        || worst_of_blocks::<F, _>(simd, starts.clone()),
                    ))
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
    })
}

fn values<F: Function>(level: Level, start: u32) -> [u32; BLOCK as usize] {
    dispatch!(level, simd => simd.vectorize(
        #[inline(always)]
        || block_values::<F, _>(simd, start),
    ))
    .map(f32::to_bits)
}

fn map<F: Function>(level: Level, x: f32) -> f32 {
    dispatch!(level, simd => F::lanes(f32x16::splat(simd, x)).as_slice()[7])
}

fn map_atan2(level: Level, y: f32, x: f32) -> f32 {
    dispatch!(level, simd => atan2(f32x16::splat(simd, y), f32x16::splat(simd, x)).as_slice()[7])
}

/// The levels whose multiply-add is fused, best first, then the others.
fn levels() -> (Vec<Level>, Vec<Level>) {
    let best = Level::new();
    #[cfg(target_arch = "x86_64")]
    {
        let fused = [best.as_avx512().map(Level::Avx512), best.as_avx2().map(Level::Avx2)];
        let unfused = [best.as_sse4_2().map(Level::Sse4_2), best.as_sse2().map(Level::Sse2)];
        (fused.into_iter().flatten().collect(), unfused.into_iter().flatten().collect())
    }
    #[cfg(not(target_arch = "x86_64"))]
    (vec![best], vec![])
}

fn check<F: Function>(ranges: &[Range<u32>], fused_bound: f64, unfused_bound: f64) {
    let name = std::any::type_name::<F>();
    let (fused, unfused) = levels();
    for bits in ranges {
        if let Some(&best) = fused.first() {
            let error = worst::<F>(best, bits.clone(), 1);
            println!("{name} from {:08x}, {best:?}: {error:.3} ULP", bits.start);
            assert!(error <= fused_bound, "{name} {best:?}: {error} ULP");
            for &level in &fused[1..] {
                for start in bits.clone().step_by(BLOCK as usize * SAMPLE) {
                    assert_eq!(
                        values::<F>(best, start),
                        values::<F>(level, start),
                        "{name} differs between {best:?} and {level:?} near {start:#x}"
                    );
                }
            }
        }
        for &level in &unfused {
            let error = worst::<F>(level, bits.clone(), SAMPLE);
            println!("{name} from {:08x}, {level:?}: {error:.3} ULP", bits.start);
            assert!(error <= unfused_bound, "{name} {level:?}: {error} ULP");
        }
    }
}

#[test]
fn exp_of_every_float() {
    check::<Exp>(&[POSITIVE, NEGATIVE], 1.0, 1.2);
}

#[test]
fn exp_m1_of_every_float() {
    check::<ExpM1>(&[POSITIVE, NEGATIVE], 1.5, 1.6);
}

#[test]
fn sin_of_every_angle() {
    check::<Sin>(&[ANGLES], 1.6, 1.6);
}

#[test]
fn cos_of_every_angle() {
    check::<Cos>(&[ANGLES], 1.6, 1.6);
}

#[test]
fn ln_of_every_float() {
    check::<Ln>(&[POSITIVE, NEGATIVE], 1.2, 1.2);
}

#[test]
fn ln_1p_of_every_float() {
    check::<Ln1p>(&[POSITIVE, NEGATIVE], 1.8, 1.8);
}

#[test]
fn atan_of_every_float() {
    check::<Atan>(&[POSITIVE], 2.0, 2.1);
}

#[test]
fn sigmoid_of_every_float() {
    check::<Sigmoid>(&[POSITIVE, NEGATIVE], 2.8, 2.8);
}

#[test]
fn softplus_of_every_float() {
    check::<Softplus>(&[POSITIVE, NEGATIVE], 2.2, 2.4);
}

/// The worst error over random points of the first quadrant, with coordinates from 2^-8 to 2^8.
#[inline(always)]
fn worst_of_points<S: Simd>(simd: S, points: Range<u32>) -> f64 {
    let mut worst = 0.0_f64;
    for first in points.step_by(16) {
        let mut coordinates = [[0.0_f32; 16]; 2];
        for lane in 0..16 {
            // A bijection of the integers (multiplications by odd numbers, and folding): no seed.
            let mut hash = u64::from(first + lane).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash = (hash ^ (hash >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let (y, x) = (hash as u32, (hash >> 32) as u32);
            let coordinate = |bits: u32| f32::from_bits((bits >> 5) + (119 << 23));
            coordinates[0][lane as usize] = coordinate(y);
            coordinates[1][lane as usize] = coordinate(x);
        }
        let [y, x] = coordinates;
        let angles = atan2(f32x16::from_slice(simd, &y), f32x16::from_slice(simd, &x));
        for lane in 0..16 {
            let reference = f64::from(y[lane]).atan2(f64::from(x[lane]));
            let angle = f64x8::splat(simd, f64::from(angles.as_slice()[lane]));
            let error = ulps(angle, f64x8::splat(simd, reference)).as_slice()[0];
            worst = worst.max(error);
            assert!(!error.is_nan());
        }
    }
    worst
}

#[test]
fn atan2_of_random_points() {
    let (fused, unfused) = levels();
    let bounded =
        fused.iter().map(|level| (level, 2.0)).chain(unfused.iter().map(|level| (level, 2.1)));
    for (&level, bound) in bounded {
        let error = dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || worst_of_points(simd, 0..1 << 22),
        ));
        println!("atan2, {level:?}: {error:.3} ULP");
        assert!(error <= bound, "atan2 {level:?}: {error} ULP");
    }
}

fn every_level() -> impl Iterator<Item = Level> {
    let (fused, unfused) = levels();
    fused.into_iter().chain(unfused)
}

#[test]
fn special_values() {
    use std::f32::consts::{FRAC_PI_2, FRAC_PI_4};
    let infinity = f32::INFINITY;
    for level in every_level() {
        for (x, wanted) in [
            (0.0, 1.0),
            (-0.0, 1.0),
            (-infinity, 0.0),
            (EXP_UNDERFLOW.next_down(), 0.0),
            (infinity, map::<Exp>(level, EXP_OVERFLOW)),
        ] {
            assert_eq!(map::<Exp>(level, x), wanted, "exp({x}) on {level:?}");
        }
        assert!(map::<Exp>(level, EXP_UNDERFLOW) >= f32::MIN_POSITIVE);
        assert!(map::<Exp>(level, infinity).is_finite());

        for (x, wanted) in [
            (0.0, 0.0),
            (-infinity, -1.0),
            (f32::from_bits(1), f32::from_bits(1)),
            (infinity, map::<ExpM1>(level, EXP_OVERFLOW)),
        ] {
            assert_eq!(map::<ExpM1>(level, x), wanted, "exp_m1({x}) on {level:?}");
        }
        assert!(map::<ExpM1>(level, infinity).is_finite());

        let least = map::<Ln>(level, f32::MIN_POSITIVE);
        for (x, wanted) in [
            (1.0, 0.0),
            (0.0, least),
            (-infinity, least),
            (infinity, 128.0 * std::f32::consts::LN_2),
        ] {
            assert_eq!(map::<Ln>(level, x), wanted, "ln({x}) on {level:?}");
        }
        let most = map::<Ln1p>(level, LN_1P_GREATEST);
        for (x, wanted) in [(0.0, 0.0), (-infinity, 0.0), (infinity, most), (1e-30, 1e-30)] {
            assert_eq!(map::<Ln1p>(level, x), wanted, "ln_1p({x}) on {level:?}");
        }
        assert_eq!([map::<Sin>(level, 0.0), map::<Cos>(level, 0.0)], [0.0, 1.0], "on {level:?}");
        for (x, wanted) in [(infinity, FRAC_PI_2), (-infinity, -FRAC_PI_2)] {
            assert_eq!(map::<Atan>(level, x), wanted, "atan({x}) on {level:?}");
        }
        for (x, wanted) in [(infinity, 1.0), (-infinity, 0.0), (0.0, 0.5)] {
            assert_eq!(map::<Sigmoid>(level, x), wanted, "sigmoid({x}) on {level:?}");
        }
        for (x, wanted) in [(infinity, infinity), (-infinity, 0.0)] {
            assert_eq!(map::<Softplus>(level, x), wanted, "softplus({x}) on {level:?}");
        }
        for (y, x, wanted) in [
            (0.0, 0.0, 0.0),
            (0.0, 1.0, 0.0),
            (1e-45, 0.0, FRAC_PI_2),
            (infinity, 1.0, FRAC_PI_2),
            (1.0, infinity, 0.0),
        ] {
            assert_eq!(map_atan2(level, y, x), wanted, "atan2({y}, {x}) on {level:?}");
        }
        let diagonal = map_atan2(level, 1.0, 1.0);
        assert!((diagonal - FRAC_PI_4).abs() <= f32::EPSILON);
        for bits in (1..f32::INFINITY.to_bits()).step_by(100_003) {
            let a = f32::from_bits(bits);
            assert_eq!(map_atan2(level, a, a), diagonal, "atan2({a}, {a}) on {level:?}");
        }
    }
}

#[test]
fn nan_stays_nan() {
    for level in every_level() {
        // Any payload and either sign: the bit arithmetic could carry some of them into numbers.
        for bits in (0x7f80_0001..0x8000_0000_u32).step_by(10_007).chain([0x7fff_ffff]) {
            for nan in [f32::from_bits(bits), f32::from_bits(bits | 0x8000_0000)] {
                for (name, value) in [
                    ("exp", map::<Exp>(level, nan)),
                    ("exp_m1", map::<ExpM1>(level, nan)),
                    ("ln", map::<Ln>(level, nan)),
                    ("ln_1p", map::<Ln1p>(level, nan)),
                    ("sin", map::<Sin>(level, nan)),
                    ("cos", map::<Cos>(level, nan)),
                    ("atan", map::<Atan>(level, nan)),
                    ("sigmoid", map::<Sigmoid>(level, nan)),
                    ("softplus", map::<Softplus>(level, nan)),
                    ("atan2 of y", map_atan2(level, nan, 1.0)),
                    ("atan2 of x", map_atan2(level, 1.0, nan)),
                ] {
                    assert!(value.is_nan(), "{name}({bits:#x}) on {level:?}: {value}");
                }
            }
        }
    }
}

#[test]
fn angles_are_odd_or_even() {
    for level in every_level() {
        for bits in POSITIVE.step_by(100_003) {
            let x = f32::from_bits(bits);
            assert_eq!(map::<Atan>(level, -x), -map::<Atan>(level, x), "atan({x}) on {level:?}");
        }
        for bits in ANGLES.step_by(100_003) {
            let x = f32::from_bits(bits);
            assert_eq!(map::<Sin>(level, -x), -map::<Sin>(level, x), "sin({x}) on {level:?}");
            assert_eq!(map::<Cos>(level, -x), map::<Cos>(level, x), "cos({x}) on {level:?}");
        }
    }
}

#[test]
fn any_finite_angle_has_a_sine_between_the_ends() {
    for level in every_level() {
        for bits in POSITIVE.step_by(10_007).chain([f32::MAX.to_bits()]) {
            let x = f32::from_bits(bits);
            for value in [map::<Sin>(level, x), map::<Cos>(level, x)] {
                assert!((-1.0..=1.0).contains(&value), "{x} on {level:?}: {value}");
            }
        }
    }
}

#[test]
fn what_is_above() {
    let tiny = f32::from_bits(1);
    let numbers = [0.0, -0.0, tiny, -tiny, 1e-38, 1.0, -1.0, 1.0_f32.next_up(), 3.5, -3.5]
        .into_iter()
        .chain([f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN]);
    for (a, b) in numbers.clone().flat_map(|a| numbers.clone().map(move |b| (a, b))) {
        let expected = match a.partial_cmp(&b) {
            Some(Ordering::Greater) => 1.0,
            Some(Ordering::Less) => 0.0,
            Some(Ordering::Equal) | None => 0.5,
        };
        for level in every_level() {
            let got = dispatch!(level, simd => {
                heaviside(f32x16::splat(simd, a), f32x16::splat(simd, b)).to_array()
            });
            assert_eq!(got, [expected; 16], "{a} above {b} at {level:?}");
        }
    }
}
