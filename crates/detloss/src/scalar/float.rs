//! Plain numbers: `f32` and `f64`.

use super::{DIV_EPS, MAX_MAGNITUDE, Scalar, literal_on_the_right};
use crate::elementary_functions;

macro_rules! plain {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            let $x = self;
            $value
        }
    )+};
}

macro_rules! plain_number {
    ($float:ident) => {
        literal_on_the_right!([] $float);

        impl Scalar for $float {
            #[inline(always)]
            fn lit(self, value: f64) -> Self {
                value as $float
            }

            // Not fused: without the CPU feature a fused operation is a slow call into the C library.
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                self * factor + addend
            }

            #[inline(always)]
            fn safe_div(self, denominator: Self) -> Self {
                if denominator < DIV_EPS as $float { 0.0 } else { self / denominator }
            }

            #[inline(always)]
            fn recip(self) -> Self {
                1.0 / self
            }

            #[inline(always)]
            fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
                if a < b { then } else { otherwise }
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if other < self { other } else { self }
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self < other { other } else { self }
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }

            #[inline(always)]
            fn clamp_finite(self) -> Self {
                Scalar::min(Scalar::max(self, -MAX_MAGNITUDE as $float), MAX_MAGNITUDE as $float)
            }

            #[inline(always)]
            fn detach(self) -> Self {
                self
            }

            #[inline(always)]
            fn atan2(self, x: Self) -> Self {
                // Plus 0: the width of a box may be −0, and the origin seen from there has the angle π.
                $float::atan2(self, x + 0.0)
            }

            elementary_functions!(plain);
        }
    };
}
plain_number!(f32);
plain_number!(f64);
