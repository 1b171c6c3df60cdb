//! Plain numbers: `f32` and `f64`.

use super::{LARGEST, SMALLEST, Scalar, literal_on_the_right};

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
            fn over(self, denominator: Self) -> Self {
                if denominator < SMALLEST as $float { 0.0 } else { self / denominator }
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
            fn saturate(self) -> Self {
                Scalar::min(Scalar::max(self, -LARGEST as $float), LARGEST as $float)
            }

            #[inline(always)]
            fn detach(self) -> Self {
                self
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }

            #[inline(always)]
            fn exp(self) -> Self {
                let power = $float::exp(self);
                if power < $float::MIN_POSITIVE {
                    0.0
                } else if $float::MAX < power {
                    $float::MAX
                } else {
                    power
                }
            }

            #[inline(always)]
            fn ln(self) -> Self {
                $float::ln(Scalar::max(self, $float::MIN_POSITIVE))
            }

            #[inline(always)]
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }

            #[inline(always)]
            fn atan2(self, x: Self) -> Self {
                // Plus 0: the width of a box may be −0, and the origin seen from there has the angle π.
                $float::atan2(self, x + 0.0)
            }

            #[inline(always)]
            fn atan(self) -> Self {
                $float::atan(self)
            }

            #[inline(always)]
            fn sigmoid(self) -> Self {
                let e = Scalar::exp(-Scalar::abs(self));
                (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
            }

            #[inline(always)]
            fn softplus(self) -> Self {
                Scalar::max(self, 0.0) + Scalar::exp(-Scalar::abs(self)).ln_1p()
            }
        }
    };
}
plain_number!(f32);
plain_number!(f64);
