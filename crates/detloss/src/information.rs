//! Information: the measures that cross entropies are made of.
//!
//! For distributions p and q over the same outcomes, with ln in [`Unit::Nats`] and log₂ in [`Unit::Bits`]:
//!
//! | measure | formula | |
//! |---|---|---|
//! | [`self_information`] | h = −ln pᵢ | the surprise at one outcome; +∞ if it is impossible |
//! | [`entropy`] | H(p) = −Σ pᵢ ln pᵢ | the mean surprise, between 0 and ln n |
//! | [`cross_entropy`] | H(p, q) = −Σ pᵢ ln qᵢ | the mean surprise of one who believes q; H(p) + KL(p‖q) |
//! | [`relative_entropy`] | KL(p‖q) = Σ pᵢ ln(pᵢ / qᵢ) | what believing q costs more; the Kullback–Leibler divergence |
//! | [`generalized_relative_entropy`] | Σ pᵢ ln(pᵢ / qᵢ) − pᵢ + qᵢ | the same where sums are not 1; never negative |
//!
//! `0 ln 0` is 0, and where q is 0 but p is not, the last three are +∞. Nothing is normalised: p and q are taken as they are, and
//! only negative or NaN entries and different lengths are errors.
//!
//! Cover, Thomas, *Elements of Information Theory*, Wiley 2006, chapter 2.

use std::f64::consts::LN_2;

use crate::error::{Error, Result};

/// What information is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Natural logarithms, as in all losses.
    #[default]
    Nats,
    /// Logarithms to the base 2: a fair coin has one bit.
    Bits,
}

impl Unit {
    fn of(self, nats: f64) -> f64 {
        match self {
            Self::Nats => nats,
            Self::Bits => nats / LN_2,
        }
    }
}

/// The surprise at an outcome of this probability.
///
/// # Errors
///
/// If the probability is negative or NaN.
pub fn self_information(probability: f64, unit: Unit) -> Result<f64> {
    not_negative("the probability", &[probability])?;
    // Subtracted from 0 rather than negated: what is certain has 0, not −0.
    Ok(unit.of(0.0 - probability.ln()))
}

/// The mean surprise at the outcomes of `p`.
///
/// # Errors
///
/// If an entry is negative or NaN.
pub fn entropy(p: &[f64], unit: Unit) -> Result<f64> {
    cross_entropy(p, p, unit)
}

/// The mean surprise at the outcomes of `p` of one who believes `q`.
///
/// # Errors
///
/// If the lengths differ, or an entry is negative or NaN.
pub fn cross_entropy(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    sum(p, q, unit, |p, q| if p == 0.0 { 0.0 } else { -p * q.ln() })
}

/// How much larger the cross entropy of `p` and `q` is than the entropy of `p`.
///
/// # Errors
///
/// If the lengths differ, or an entry is negative or NaN.
pub fn relative_entropy(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    sum(p, q, unit, divergence)
}

/// The relative entropy of measures whose sums are not 1.
///
/// # Errors
///
/// If the lengths differ, or an entry is negative or NaN.
pub fn generalized_relative_entropy(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    sum(p, q, unit, |p, q| divergence(p, q) - p + q)
}

/// One outcome's part in the relative entropy.
fn divergence(p: f64, q: f64) -> f64 {
    let ratio = p / q;
    if p == 0.0 {
        0.0
    } else if ratio.is_normal() {
        p * ratio.ln()
    } else {
        // Too large or too small for a quotient, and then far enough from 1 for a difference.
        p * (p.ln() - q.ln())
    }
}

fn sum(p: &[f64], q: &[f64], unit: Unit, term: impl Fn(f64, f64) -> f64) -> Result<f64> {
    if p.len() != q.len() {
        return Err(Error::Length {
            what: "the second distribution",
            expected: p.len(),
            got: q.len(),
        });
    }
    not_negative("the first distribution", p)?;
    not_negative("the second distribution", q)?;
    Ok(unit.of(p.iter().zip(q).map(|(&p, &q)| term(p, q)).sum::<f64>() + 0.0))
}

fn not_negative(what: &'static str, entries: &[f64]) -> Result<()> {
    match entries.iter().position(|entry| entry.is_nan() || *entry < 0.0) {
        Some(index) => Err(Error::InvalidNumber {
            what,
            index,
            got: entries[index],
            wanted: "a number from 0 on",
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEWED: [f64; 3] = [0.5, 0.25, 0.25];
    const EVEN: [f64; 4] = [0.25; 4];

    #[test]
    fn a_fair_coin_has_one_bit() {
        assert_eq!(entropy(&[0.5, 0.5], Unit::Bits), Ok(1.0));
        assert_eq!(entropy(&[0.5, 0.5], Unit::Nats), Ok(LN_2));
        assert_eq!(self_information(0.125, Unit::Bits), Ok(3.0));
    }

    #[test]
    fn entropy_lies_between_certainty_and_evenness() {
        assert_eq!(entropy(&[0.0, 1.0], Unit::Bits), Ok(0.0));
        assert_eq!(entropy(&SKEWED, Unit::Bits), Ok(1.5));
        assert_eq!(entropy(&EVEN, Unit::Bits), Ok(2.0));
    }

    #[test]
    fn cross_entropy_is_entropy_and_divergence() {
        let (p, q) = ([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]);
        assert_eq!(cross_entropy(&p, &q, Unit::Bits), Ok(1.75));
        assert_eq!(relative_entropy(&p, &q, Unit::Bits), Ok(0.25));
        assert_eq!(relative_entropy(&p, &p, Unit::Nats), Ok(0.0));
    }

    #[test]
    fn the_impossible_is_infinitely_surprising_and_costs_nothing_if_it_does_not_happen() {
        assert_eq!(self_information(0.0, Unit::Nats), Ok(f64::INFINITY));
        assert_eq!(cross_entropy(&[0.5, 0.5], &[1.0, 0.0], Unit::Nats), Ok(f64::INFINITY));
        assert_eq!(relative_entropy(&[0.5, 0.5], &[1.0, 0.0], Unit::Nats), Ok(f64::INFINITY));
        assert_eq!(relative_entropy(&[1.0, 0.0], &[0.5, 0.5], Unit::Bits), Ok(1.0));
    }

    #[test]
    fn generalized_divergence_of_measures_is_not_negative() {
        let (p, q) = ([1.0, 1.0], [2.0, 2.0]);
        assert!(relative_entropy(&p, &q, Unit::Nats).unwrap() < 0.0);
        let value = generalized_relative_entropy(&p, &q, Unit::Nats).unwrap();
        assert!((value - (2.0 - 2.0 * LN_2)).abs() < 1e-15);
    }

    #[test]
    fn quotients_that_leave_the_range_of_f64_do_not_matter() {
        let nearly_never = relative_entropy(&[1.0], &[1e-320], Unit::Nats).unwrap();
        assert!((nearly_never - 320.0 * std::f64::consts::LN_10).abs() < 1e-3, "{nearly_never}");
        let hardly = relative_entropy(&[1e-300], &[1e300], Unit::Nats).unwrap();
        assert!(hardly.is_finite() && hardly < 0.0, "{hardly}");
    }

    #[test]
    fn what_is_no_distribution_is_an_error() {
        assert!(matches!(
            entropy(&[0.5, -0.5], Unit::Nats),
            Err(Error::InvalidNumber { index: 1, .. })
        ));
        assert!(matches!(self_information(f64::NAN, Unit::Nats), Err(Error::InvalidNumber { .. })));
        assert!(matches!(
            cross_entropy(&SKEWED, &EVEN, Unit::Nats),
            Err(Error::Length { expected: 3, got: 4, .. })
        ));
    }
}
