//! What a formula is computed on.
//!
//! A loss is written once, over any [`Scalar`]: `f32` and `f64`, sixteen SIMD [`Lanes`](lanes::Lanes), [`Dual`] numbers of any
//! of these (the value and its derivatives in one pass), and a traced [`Expr`](expr::Expr).
//!
//! # Ties and edges
//!
//! These rules hold for every loss, because they are stated here and nowhere else.
//!
//! | operation | rule |
//! |---|---|
//! | `min`, `max`, `relu`, `clamp` | equal arguments split the slope half and half, as PyTorch does |
//! | `abs` | slope 0 at 0 |
//! | `safe_div` | a denominator below [`DIV_EPS`] gives 0 with slope 0: `0/0` and `x/0` are 0 |
//! | `ln`, `pow` | arguments below the smallest positive normal number count as that number; `pow` is then exactly 0 |
//! | `exp`, `exp_m1` | saturate at a finite number; `exp` is exactly 0 where it would be subnormal |
//! | `sin`, `cos` | finite for every finite angle, and accurate up to ±1e5 |
//! | `clamp_finite` | values beyond ±[`MAX_MAGNITUDE`] count as ±[`MAX_MAGNITUDE`]; the slope stays 1 |
//! | NaN | a NaN prediction gives a NaN value; it is never swallowed by a choice |

pub mod dual;
mod element;
mod elementary;
pub mod expr;
mod float;
pub mod lanes;
pub mod slice;
pub mod softmax;
pub mod stable;

use std::ops::{Add, Mul, Neg, Sub};

use crate::elementary_functions;
pub use dual::Dual;
pub use element::{Compute, Element};

/// The largest magnitude a coordinate keeps, 2⁴⁸: products and quotients of areas then stay finite in `f32`.
pub const MAX_MAGNITUDE: f64 = 281_474_976_710_656.0;

/// Denominators below this count as zero, 2⁻⁷²: the area of a box with sides of 2⁻³⁶ = 1.5e-11.
///
/// The slope of a quotient of areas is a side over an area. The longest side, 2⁴⁹, over the smallest area is 2¹²¹, which leaves
/// `f32` room for a sum of such slopes: a bound much nearer to 0 would make a needle's slope infinite.
pub const DIV_EPS: f64 = 1.0 / (MAX_MAGNITUDE * 16_777_216.0);

macro_rules! methods {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {$(
        $(#[doc = $doc])+
        fn $name(self) -> Self;
    )+};
}

/// A number a formula is computed on.
///
/// There is no `if` on a value: [`if_lt`](Scalar::if_lt), [`min`](Scalar::min), [`max`](Scalar::max) and what is built from
/// them choose, in every lane separately. Formulas divide by [`safe_div`](Scalar::safe_div), which knows what `x / 0` is.
pub trait Scalar:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Add<Lit, Output = Self>
    + Sub<Lit, Output = Self>
    + Mul<Lit, Output = Self>
{
    /// The constant `value`, as a number of the same kind as `self`.
    fn lit(self, value: f64) -> Self;

    /// `self · factor + addend`, rounded once where the machine can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// `self / denominator` for a denominator that is never negative; 0 where it is below [`DIV_EPS`].
    fn safe_div(self, denominator: Self) -> Self;

    /// `1 / self` for a number known to be positive.
    fn recip(self) -> Self;

    /// `then` where `a < b`, else `otherwise` (also where either is NaN).
    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self;

    /// 1 where `self` is above `other`, 0 where it is below, ½ at a tie (and where either is NaN): the slope of
    /// [`max`](Scalar::max) by `self`.
    #[inline(always)]
    fn heaviside(self, other: Self) -> Self {
        let otherwise = Self::if_lt(self, other, self.lit(0.0), self.lit(0.5));
        Self::if_lt(other, self, self.lit(1.0), otherwise)
    }

    /// The smaller of two numbers.
    fn min(self, other: Self) -> Self;

    /// The larger of two numbers.
    fn max(self, other: Self) -> Self;

    /// The magnitude, with slope 0 at 0.
    fn abs(self) -> Self;

    /// `self` held within ±[`MAX_MAGNITUDE`].
    fn clamp_finite(self) -> Self;

    /// The same value, a constant for the derivative.
    fn detach(self) -> Self;

    /// The same value, whose slope is held within what `f32` can hold: for a loss that is multiplied by a large weight.
    #[inline(always)]
    fn saturate_slope(self) -> Self {
        self
    }

    /// The angle of the point (`x`, `self`) in the first quadrant, `atan(self / x)`; 0 at the origin.
    fn atan2(self, x: Self) -> Self;

    elementary_functions!(methods);

    /// `self²`.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }

    /// `max(self, 0)`.
    #[inline(always)]
    fn relu(self) -> Self {
        self.max(self.lit(0.0))
    }

    /// `self` held within `low..=high`.
    #[inline(always)]
    fn clamp(self, low: f64, high: f64) -> Self {
        self.max(self.lit(low)).min(self.lit(high))
    }

    /// Smooth L1 of an error `self ≥ 0`: `self² / (2 beta)` below `beta`, `self − beta / 2` from there on.
    #[inline(always)]
    fn smooth_l1(self, beta: f64) -> Self {
        let in_bowl = self.min(self.lit(beta));
        // Without a bowl, 0 times a finite number and not 0 · ∞.
        let curvature = lit(0.5 / beta.max(1e-30));
        in_bowl.square() * curvature + (self - in_bowl)
    }

    /// `self` raised to a constant power, for `self ≥ 0` and `exponent ≥ 0`.
    ///
    /// The exponents 0, 1, 2 and 4 cost nothing beyond multiplications; any other goes through `exp` and `ln`. The slope at
    /// `self = 0` is 0 for every exponent but 1.
    #[inline(always)]
    fn pow(self, exponent: f64) -> Self {
        if exponent == 0.0 {
            self.lit(1.0)
        } else if exponent == 1.0 {
            self
        } else if exponent == 2.0 {
            self.square()
        } else if exponent == 4.0 {
            self.square().square()
        } else {
            let power = (self.ln() * lit(exponent)).exp();
            Self::if_lt(self, self.lit(f64::from(f32::MIN_POSITIVE)), self.lit(0.0), power)
        }
    }
}

/// A literal in a formula: `lit(1.0) - x`, `x * lit(0.5)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lit(pub f64);

/// The number `value` in a formula; it takes the kind of whatever it meets.
#[must_use]
#[inline(always)]
pub const fn lit(value: f64) -> Lit {
    Lit(value)
}

macro_rules! literal_on_the_left {
    ($($op:ident $method:ident),*) => {$(
        impl<S: Scalar> $op<S> for Lit {
            type Output = S;
            #[inline(always)]
            fn $method(self, right: S) -> S {
                $op::$method(right.lit(self.0), right)
            }
        }
    )*};
}
literal_on_the_left!(Add add, Sub sub, Mul mul);

/// `Scalar op Lit` for types that have `Scalar op Scalar`.
macro_rules! literal_on_the_right {
    ([$($generics:tt)*] $ty:ty) => {
        literal_on_the_right!(@ [$($generics)*] $ty, Add add);
        literal_on_the_right!(@ [$($generics)*] $ty, Sub sub);
        literal_on_the_right!(@ [$($generics)*] $ty, Mul mul);
    };
    (@ [$($generics:tt)*] $ty:ty, $op:ident $method:ident) => {
        impl<$($generics)*> std::ops::$op<$crate::scalar::Lit> for $ty {
            type Output = Self;
            #[inline(always)]
            fn $method(self, right: $crate::scalar::Lit) -> Self {
                std::ops::$op::$method(self, $crate::scalar::Scalar::lit(self, right.0))
            }
        }
    };
}
use literal_on_the_right;
