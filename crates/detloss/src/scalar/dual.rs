//! A value together with its partial derivatives.

use std::ops::{Add, Mul, Neg, Sub};

use super::{DIV_EPS, Scalar, literal_on_the_right};
use crate::elementary_functions;

/// A number `value` with its derivatives by `K` inputs (`K ≤ 8`).
///
/// Which derivatives can be other than zero is known when the formula is compiled: `active` is a constant after inlining, so
/// that a product with a literal or a target costs what it would cost by hand.
#[derive(Clone, Copy, Debug)]
pub struct Dual<T, const K: usize> {
    value: T,
    partials: [T; K],
    active: u8,
}

/// What the drivers need of a dual number, without naming its `K`.
pub trait Gradient<T: Scalar>: Scalar {
    /// A number that is not differentiated.
    fn constant(value: T) -> Self;
    /// The input number `index`, with slope 1 by itself.
    fn variable(value: T, index: usize) -> Self;
    /// The number itself.
    fn value(self) -> T;
    /// Its derivative by the input number `index`.
    fn partial(self, index: usize) -> T;
}

impl<T: Scalar, const K: usize> Gradient<T> for Dual<T, K> {
    #[inline(always)]
    fn constant(value: T) -> Self {
        Self { value, partials: [value; K], active: 0 }
    }

    #[inline(always)]
    fn variable(value: T, index: usize) -> Self {
        const { assert!(K <= u8::BITS as usize) };
        let partials = [value.lit(1.0); K];
        Self { value, partials, active: 1 << index }
    }

    #[inline(always)]
    fn value(self) -> T {
        self.value
    }

    #[inline(always)]
    fn partial(self, index: usize) -> T {
        if self.has(index) { self.partials[index] } else { self.value.lit(0.0) }
    }
}

impl<T: Scalar, const K: usize> Dual<T, K> {
    #[inline(always)]
    fn has(&self, index: usize) -> bool {
        self.active >> index & 1 == 1
    }

    /// `value` with the partials of `self`, each through `slope`.
    #[inline(always)]
    fn chain(self, value: T, slope: impl Fn(T) -> T) -> Self {
        let mut partials = self.partials;
        for (k, partial) in partials.iter_mut().enumerate() {
            if self.has(k) {
                *partial = slope(*partial);
            }
        }
        Self { value, partials, active: self.active }
    }

    /// `value` with the partials of `self` and `other` combined; `left` and `right` serve where the other one has none.
    #[inline(always)]
    fn join(
        self,
        other: Self,
        value: T,
        both: impl Fn(T, T) -> T,
        left: impl Fn(T) -> T,
        right: impl Fn(T) -> T,
    ) -> Self {
        let mut partials = self.partials;
        for (k, partial) in partials.iter_mut().enumerate() {
            match (self.has(k), other.has(k)) {
                (true, true) => *partial = both(*partial, other.partials[k]),
                (true, false) => *partial = left(*partial),
                (false, true) => *partial = right(other.partials[k]),
                (false, false) => {}
            }
        }
        Self { value, partials, active: self.active | other.active }
    }

    /// The choice between two numbers by a third comparison; `pick` takes the two alternatives of one component.
    #[inline(always)]
    fn choose(self, other: Self, pick: impl Fn(T, T) -> T) -> Self {
        let zero = self.value.lit(0.0);
        self.join(other, pick(self.value, other.value), &pick, |a| pick(a, zero), |b| pick(zero, b))
    }

    /// `min` or `max`, by how much of the slope goes to `self` and to `other`: all, none, or half.
    #[inline(always)]
    fn extreme(self, other: Self, value: T, mine: T, theirs: T) -> Self {
        let mean = |p: T, q: T| (p + q) * p.lit(0.5);
        let either = |p, q| T::if_lt(theirs, mine, p, T::if_lt(mine, theirs, q, mean(p, q)));
        self.join(other, value, either, |p| p * mine, |q| q * theirs)
    }
}

/// `1 / x` under the rule of [`safe_div`](Scalar::safe_div).
#[inline(always)]
fn safe_recip<T: Scalar>(x: T) -> T {
    T::if_lt(x, x.lit(DIV_EPS), x.lit(0.0), x.recip())
}

impl<T: Scalar, const K: usize> Add for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn add(self, right: Self) -> Self {
        self.join(right, self.value + right.value, |a, b| a + b, |a| a, |b| b)
    }
}

impl<T: Scalar, const K: usize> Sub for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, right: Self) -> Self {
        self.join(right, self.value - right.value, |a, b| a - b, |a| a, |b| -b)
    }
}

impl<T: Scalar, const K: usize> Mul for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, right: Self) -> Self {
        let (x, y) = (self.value, right.value);
        self.join(right, x * y, |a, b| a.mul_add(y, b * x), |a| a * y, |b| b * x)
    }
}

impl<T: Scalar, const K: usize> Neg for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.chain(-self.value, |a| -a)
    }
}

literal_on_the_right!([T: Scalar, const K: usize] Dual<T, K>);

macro_rules! chained {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            let value = self.value.$name();
            let ($at, $y) = (self.value, value);
            let slope = $slope;
            self.chain(value, |partial| partial * slope)
        }
    )+};
}

impl<T: Scalar, const K: usize> Scalar for Dual<T, K> {
    #[inline(always)]
    fn lit(self, value: f64) -> Self {
        Self::constant(self.value.lit(value))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let (x, y) = (self.value, factor.value);
        let mut sum = addend;
        for (k, partial) in sum.partials.iter_mut().enumerate() {
            let add = |product: (T, T), to: T| {
                if addend.has(k) { product.0.mul_add(product.1, to) } else { product.0 * product.1 }
            };
            match (self.has(k), factor.has(k)) {
                (true, true) => {
                    *partial = self.partials[k].mul_add(y, add((factor.partials[k], x), *partial))
                }
                (true, false) => *partial = add((self.partials[k], y), *partial),
                (false, true) => *partial = add((factor.partials[k], x), *partial),
                (false, false) => {}
            }
        }
        Self {
            value: x.mul_add(y, addend.value),
            active: self.active | factor.active | addend.active,
            ..sum
        }
    }

    #[inline(always)]
    fn safe_div(self, denominator: Self) -> Self {
        let quotient = self.value.safe_div(denominator.value);
        let recip = safe_recip(denominator.value);
        self.join(
            denominator,
            quotient,
            |a, b| (-quotient).mul_add(b, a) * recip,
            |a| a * recip,
            |b| -(quotient * b) * recip,
        )
    }

    #[inline(always)]
    fn recip(self) -> Self {
        let recip = self.value.recip();
        self.chain(recip, |a| -(a * recip) * recip)
    }

    #[inline(always)]
    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        then.choose(otherwise, |t, o| T::if_lt(a.value, b.value, t, o))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        let above = self.value.heaviside(other.value);
        self.extreme(other, self.value.min(other.value), above.lit(1.0) - above, above)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let above = self.value.heaviside(other.value);
        self.extreme(other, self.value.max(other.value), above, above.lit(1.0) - above)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        let (x, zero) = (self.value, self.value.lit(0.0));
        let sign = T::if_lt(zero, x, x.lit(1.0), T::if_lt(x, zero, x.lit(-1.0), zero));
        self.chain(x.abs(), |a| a * sign)
    }

    #[inline(always)]
    fn clamp_finite(self) -> Self {
        self.chain(self.value.clamp_finite(), |a| a)
    }

    #[inline(always)]
    fn detach(self) -> Self {
        Self::constant(self.value)
    }

    #[inline(always)]
    fn saturate_slope(self) -> Self {
        self.chain(self.value, |a| a.clamp(f64::from(f32::MIN), f64::from(f32::MAX)))
    }

    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        let (y, angle) = (self, self.value.atan2(x.value));
        let norm = safe_recip(y.value.mul_add(y.value, x.value.square()));
        let (by_y, by_x) = (x.value * norm, -y.value * norm);
        y.join(x, angle, |a, b| a.mul_add(by_y, b * by_x), |a| a * by_y, |b| b * by_x)
    }

    elementary_functions!(chained);

    #[inline(always)]
    fn square(self) -> Self {
        let double = self.value + self.value;
        self.chain(self.value.square(), |a| a * double)
    }
}
