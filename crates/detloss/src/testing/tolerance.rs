//! How close is close enough, in one place.

/// How far a number may be from the one expected: `absolute + relative · |expected|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// What is allowed near 0.
    pub absolute: f64,
    /// What is allowed far from 0.
    pub relative: f64,
}

impl Tolerance {
    /// Not at all: the same number. (−0 is 0: a traced formula folds its zeros.)
    pub const EXACT: Self = Self { absolute: 0.0, relative: 0.0 };
    /// A law between two formulas, both in `f64`.
    pub const LAW: Self = Self { absolute: 1e-11, relative: 1e-11 };
    /// A worked case in `f64`: cases are printed to nine digits.
    pub const CASE: Self = Self { absolute: 1e-9, relative: 1e-8 };
    /// A slope in `f64` against a difference quotient of fourth order.
    pub const SLOPE: Self = Self { absolute: 2e-7, relative: 2e-6 };
    /// A slope in `f64` against the mean of two one-sided difference quotients, which are of third order only.
    pub const TIE: Self = Self { absolute: 2e-6, relative: 2e-6 };
    /// `f32` against `f64` on ordinary rows. A few hundred roundings of 6e-8: differences of coordinates near 10 lose a digit,
    /// and quotients of areas lose another.
    pub const F32: Self = Self { absolute: 1e-5, relative: 5e-5 };
    /// A sum of many rows in `f32` against the same sum in `f64`.
    pub const SUM_F32: Self = Self { absolute: 1e-5, relative: 1e-5 };
    /// Two instruction sets, one with and one without fused multiply-add.
    pub const LEVEL: Self = Self { absolute: 1e-5, relative: 5e-5 };
    /// A number that went through `f16` or `bf16` once more than the one expected: the latter keeps 8 bits.
    pub const HALF: Self = Self { absolute: 1e-7, relative: 1.0 / 128.0 };
    /// How near the ends of its range a loss must come when it is searched for them.
    pub const REACH: Self = Self { absolute: 2e-3, relative: 1e-3 };

    /// Whether `got` is close enough to `expected`. NaN is close to nothing, infinity to itself.
    #[must_use]
    pub fn holds(self, got: f64, expected: f64) -> bool {
        got == expected
            || expected.is_finite()
                && (got - expected).abs() <= self.absolute + self.relative * expected.abs()
    }
}

/// Panics unless `got` is close enough to `expected`; `what` says which number that is.
///
/// # Panics
///
/// If it is not.
#[track_caller]
pub fn assert_close(got: f64, expected: f64, tolerance: Tolerance, what: &dyn std::fmt::Display) {
    assert!(
        tolerance.holds(got, expected),
        "{what}: got {got:e} instead of {expected:e}, off by {:e}",
        (got - expected).abs()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_close_to_nothing() {
        assert!(!Tolerance::F32.holds(f64::NAN, f64::NAN));
        assert!(!Tolerance::F32.holds(f64::NAN, 0.0));
        assert!(!Tolerance::F32.holds(0.0, f64::NAN));
    }

    #[test]
    fn infinity_is_close_to_itself_only() {
        assert!(Tolerance::F32.holds(f64::INFINITY, f64::INFINITY));
        assert!(!Tolerance::F32.holds(f64::NEG_INFINITY, f64::INFINITY));
        assert!(!Tolerance::F32.holds(1.0, f64::NEG_INFINITY));
        assert!(!Tolerance::F32.holds(f64::INFINITY, 1.0));
    }

    #[test]
    fn an_error_counts_in_both_directions() {
        assert!(!Tolerance::LAW.holds(0.9, 1.0));
        assert!(!Tolerance::LAW.holds(1.1, 1.0));
    }
}
