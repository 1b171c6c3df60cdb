//! The functions, with their values and derivatives in `f64`.

use super::super::*;

pub(super) trait Function {
    /// Where the argument saturates.
    const LOW: f32 = f32::MIN;
    const HIGH: f32 = f32::MAX;
    /// Exactly zero below.
    const ZERO_BELOW: f32 = f32::MIN;
    /// Whether neighbours far from 0 are too far apart for a Taylor polynomial.
    const IS_PERIODIC: bool = false;

    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S>;

    /// The value at `x` and the first derivatives over their factorials.
    fn taylor(x: f64) -> [f64; 5];
}

pub(super) struct Exp;
pub(super) struct ExpM1;
pub(super) struct Ln;
pub(super) struct Ln1p;
pub(super) struct Sin;
pub(super) struct Cos;
pub(super) struct Atan;
pub(super) struct Sigmoid;
pub(super) struct Softplus;

impl Function for Exp {
    const HIGH: f32 = EXP_OVERFLOW;
    const ZERO_BELOW: f32 = EXP_UNDERFLOW;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        exp(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let e = x.exp();
        [e, e, e / 2.0, e / 6.0, e / 24.0]
    }
}

impl Function for ExpM1 {
    const HIGH: f32 = EXP_OVERFLOW;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        exp_m1(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let e = x.exp();
        [x.exp_m1(), e, e / 2.0, e / 6.0, e / 24.0]
    }
}

fn taylor_of_ln(value: f64, argument: f64) -> [f64; 5] {
    let r = argument.recip();
    [value, r, -r.powi(2) / 2.0, r.powi(3) / 3.0, -r.powi(4) / 4.0]
}

impl Function for Ln {
    const LOW: f32 = f32::MIN_POSITIVE;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        ln(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        taylor_of_ln(x.ln(), x)
    }
}

impl Function for Ln1p {
    const LOW: f32 = 0.0;
    const HIGH: f32 = LN_1P_GREATEST;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        ln_1p(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        taylor_of_ln(x.ln_1p(), 1.0 + x)
    }
}

impl Function for Sin {
    const IS_PERIODIC: bool = true;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        sin(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let (s, c) = x.sin_cos();
        [s, c, -s / 2.0, -c / 6.0, s / 24.0]
    }
}

impl Function for Cos {
    const IS_PERIODIC: bool = true;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        cos(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let (s, c) = x.sin_cos();
        [c, -s, -c / 2.0, s / 6.0, c / 24.0]
    }
}

impl Function for Atan {
    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        atan(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let g = (1.0 + x * x).recip();
        let third = (3.0 * x * x - 1.0) / 3.0 * g.powi(3);
        [x.atan(), g, -x * g * g, third, x * g * (1.0 - x * x) * g.powi(3)]
    }
}

/// The sigmoid and its first four derivatives.
fn sigmoid_derivatives(x: f64) -> [f64; 5] {
    let e = (-x.abs()).exp();
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    let s = if x < 0.0 { small } else { large };
    let first = large * small;
    let odd = 1.0 - 2.0 * s;
    [s, first, first * odd, first * (1.0 - 6.0 * first), first * odd * (1.0 - 12.0 * first)]
}

impl Function for Sigmoid {
    const ZERO_BELOW: f32 = EXP_UNDERFLOW;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        sigmoid(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let [s, first, second, third, fourth] = sigmoid_derivatives(x);
        [s, first, second / 2.0, third / 6.0, fourth / 24.0]
    }
}

impl Function for Softplus {
    const ZERO_BELOW: f32 = EXP_UNDERFLOW;

    #[inline(always)]
    fn lanes<S: Simd>(x: f32x16<S>) -> f32x16<S> {
        softplus(x)
    }

    fn taylor(x: f64) -> [f64; 5] {
        let [s, first, second, third, _] = sigmoid_derivatives(x);
        let value = x.max(0.0) + (-x.abs()).exp().ln_1p();
        [value, s, first / 2.0, second / 6.0, third / 24.0]
    }
}
