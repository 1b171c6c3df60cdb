//! The elementary functions of one number: one entry each.
//!
//! An entry has the documentation, the method of [`Scalar`](super::Scalar), its name among the operations of a trace
//! ([`Unary`](super::expr::Unary)), what `f32` and `f64` make of a number, and the slope at `x` where the value is `y`. The function of
//! the same name in `lanes/math.rs` is for sixteen `f32`. All else in this library is made from the list; an adapter that
//! replays traces has one line for what its framework calls the function.

/// Hands the list to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! elementary_functions {
    ($then:ident) => {
        $then! {
            /// Square root of a number that is not negative, with slope 0 at 0.
            sqrt Sqrt,
            |x| Self::sqrt(x),
            |_, y| safe_recip(y) * y.lit(0.5);

            /// eˣ, held within what is finite and not subnormal.
            exp Exp,
            |x| {
                let power = Self::exp(x);
                if power < Self::MIN_POSITIVE {
                    0.0
                } else if Self::MAX < power {
                    Self::MAX
                } else {
                    power
                }
            },
            |_, y| y;

            /// eˣ − 1, accurate near 0, and held within what is finite.
            exp_m1 ExpM1,
            |x| {
                let rest = Self::exp_m1(x);
                if Self::MAX < rest { Self::MAX } else { rest }
            },
            |x, _| x.exp();

            /// Natural logarithm; of no less than the smallest positive normal number.
            ln Ln,
            |x| Self::ln(Scalar::max(x, Self::MIN_POSITIVE)),
            // Not `safe_recip`: a probability may be far below DIV_EPS, and its own slope then cancels the large factor.
            |x, _| x.max(x.lit(f64::from(f32::MIN_POSITIVE))).recip();

            /// `ln(1 + x)` for `x ≥ 0`.
            ln_1p Ln1p,
            |x| Self::ln_1p(x),
            |x, _| (x + x.lit(1.0)).recip();

            /// The sine of an angle in radians; accurate up to ±1e5 and finite beyond.
            sin Sin,
            |x| Self::sin(x),
            |x, _| x.cos();

            /// The cosine of an angle in radians; accurate up to ±1e5 and finite beyond.
            cos Cos,
            |x| Self::cos(x),
            |x, _| -x.sin();

            /// The inverse tangent, of any number.
            atan Atan,
            |x| Self::atan(x),
            |x, _| (x.square() + x.lit(1.0)).recip();

            /// `1 / (1 + e⁻ˣ)`.
            sigmoid Sigmoid,
            |x| {
                let e = Scalar::exp(-Scalar::abs(x));
                (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
            },
            // p (1 − p), without the cancellation in 1 − p.
            |x, y| y * (-x).sigmoid();

            /// `ln(1 + eˣ)`.
            softplus Softplus,
            |x| Scalar::max(x, 0.0) + Scalar::exp(-Scalar::abs(x)).ln_1p(),
            |x, _| x.sigmoid();
        }
    };
}
