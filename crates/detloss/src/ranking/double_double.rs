//! Sums that lose nothing: an `f64` and what did not fit into it.

/// `high + low`, twice as precise as an `f64`. Window sums are differences of sums over everything before them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DoubleDouble {
    high: f64,
    low: f64,
}

impl DoubleDouble {
    #[inline(always)]
    pub(super) fn add(&mut self, x: f64) {
        let (high, rest) = two_sum(self.high, x);
        self.high = high;
        self.low += rest;
    }

    /// Adds a whole number to a whole number: exact up to 2⁵³, more than there are elements.
    #[inline(always)]
    pub(super) fn add_whole(&mut self, number: f64) {
        self.high += number;
    }

    #[inline(always)]
    pub(super) fn add_product(&mut self, a: f64, b: f64) {
        let (product, rest) = two_product(a, b);
        self.add(product);
        self.low += rest;
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        let (high, rest) = two_sum(self.high, other.high);
        Self { high, low: rest + (self.low + other.low) }
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { high: -other.high, low: -other.low })
    }

    #[inline(always)]
    pub(super) fn times(self, x: f64) -> Self {
        let (high, rest) = two_product(self.high, x);
        Self { high, low: rest + self.low * x }
    }

    #[inline(always)]
    pub(super) fn value(self) -> f64 {
        self.high + self.low
    }
}

/// The rounded sum and what the rounding took away (Knuth).
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The rounded product and what the rounding took away (Dekker). Not by a fused multiply-add, which is a call into the C library
/// where the CPU's cannot be taken for granted.
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    let rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    (product, rest)
}

/// Two numbers of 26 bits whose sum is `a`.
#[inline(always)]
fn halves(a: f64) -> (f64, f64) {
    const SPLIT: f64 = 134_217_729.0; // 2²⁷ + 1
    let shifted = SPLIT * a;
    let high = shifted - (shifted - a);
    (high, a - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sum_loses_is_kept() {
        let mut sum = DoubleDouble::default();
        for x in [1e16, 1.0, 1e-3, -1e16] {
            sum.add(x);
        }
        assert_eq!(sum.value(), 1.001);
        assert_eq!(sum.minus(DoubleDouble { high: 1.0, low: 0.0 }).value(), 1.001 - 1.0);
    }

    #[test]
    fn what_a_product_loses_is_kept() {
        let mut sum = DoubleDouble::default();
        let (a, b) = (1.0 + f64::EPSILON, 1.0 - f64::EPSILON);
        sum.add_product(a, b);
        assert_eq!(
            sum.minus(DoubleDouble { high: 1.0, low: 0.0 }).value(),
            -f64::EPSILON * f64::EPSILON
        );
        let product =
            DoubleDouble { high: a, low: 0.0 }.times(b).minus(DoubleDouble { high: 1.0, low: 0.0 });
        assert_eq!(product.value(), -f64::EPSILON * f64::EPSILON);
    }
}
