//! Long tails: what the numbers of the classes in a data set are good for.
//!
//! A number per class enters a loss in one of two ways, and both are there in every loss that takes them: as a weight
//! ([`column_weights`](crate::Batch::column_weights)), or as something added to the logits before the loss sees them.
//!
//! | loss | is |
//! |---|---|
//! | class-balanced CE | `softmax_ce`, or any loss of classes, with [`class_balanced_weights`] as weights |
//! | logit-adjusted CE, balanced softmax | `softmax_ce` of z + [`logit_adjustment`] |
//! | LDAM | `softmax_ce` of s (z − m at the class, z elsewhere), with [`ldam_margins`] m |
//! | focal with an α per class | `focal(alpha=1)` with weights α, and `focal(alpha=0)` with weights 1 − α |
//!
//! The last is no function, as αₜ is linear in α: the first call is the loss of the positives, the second that of the negatives. So it
//! is for every loss with a parameter alpha for the one and 1 − alpha for the other.
//!
//! None of them needs a state. [`Seesaw`](crate::losses::sets::Seesaw), [`Eqlv2`](crate::losses::sets::Eqlv2) and
//! [`Efl`](crate::losses::sets::Efl) count while they train.
//!
//! # A class that never occurs
//!
//! has no weight, adjustment or margin: each divides by its number or takes the logarithm. It is an error. Count it once, or leave its
//! column out.

use crate::error::{Error, Result, positive};

/// The weight of every class by the effective number of its examples; they add up to the number of classes.
///
/// ```text
/// wⱼ = K vⱼ / Σₖ vₖ,    vⱼ = (1 − β) / (1 − β^nⱼ)
/// ```
///
/// where n are the numbers of examples of K classes and β is `beta`, from 0 (all weights 1) to 1 (the inverse of the number). The paper has
/// 0.9, 0.99, 0.999 and 0.9999, the largest for iNaturalist.
///
/// An example of a class that has many says little new; β is the chance that it lies where another one lies already.
///
/// ```
/// use detloss::{Batch, batch::Target, frequency::class_balanced_weights, losses::rows::SoftmaxCe};
///
/// let weights = class_balanced_weights(&[1000.0, 100.0, 10.0, 1.0], 0.9999)?;
/// let logits = [1.5, -0.5, 0.25, 2.0];
/// let value = Batch::new(&logits, Target::Classes(&[2])).columns(4).column_weights(&weights).value(&SoftmaxCe::default())?;
/// assert!((value - 0.854_227_712).abs() < 1e-9);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// Cui, Jia, Lin, Song, Belongie, *Class-Balanced Loss Based on Effective Number of Samples*, CVPR 2019.
/// <https://arxiv.org/abs/1901.05555>
///
/// # Errors
///
/// If a number of examples is not positive, or `beta` lies outside of 0..=1.
pub fn class_balanced_weights(counts: &[f64], beta: f64) -> Result<Vec<f64>> {
    positive(COUNTS, counts)?;
    if !(0.0..=1.0).contains(&beta) {
        let (what, wanted) = ("beta", "a number from 0 to 1");
        return Err(Error::InvalidNumber { what, index: 0, got: beta, wanted });
    }
    // Without the factor 1 − β, which is the same for all: at β = 1 the number itself is left.
    let effective = |&count: &f64| {
        if beta == 1.0 { count } else { -(count * beta.ln()).exp_m1() }
    };
    let effective: Vec<f64> = counts.iter().map(effective).collect();
    let least = effective.iter().copied().fold(f64::INFINITY, f64::min);
    let inverse: Vec<f64> = effective.iter().map(|count| least / count).collect();
    let per_weight = counts.len() as f64 / inverse.iter().sum::<f64>();
    Ok(inverse.into_iter().map(|weight| weight * per_weight).collect())
}

/// What is added to the logit of every class: τ ln πⱼ, where π are the shares of the classes and τ is `tau`.
///
/// A softmax cross entropy of logits so adjusted is the logit-adjusted one; with τ = 1, the paper's, it is the balanced softmax. The rare
/// class has to score higher by τ ln of how much rarer it is. Where classes are to be told later, the logits are taken as they are. The
/// gradient by the logits is that by the adjusted ones.
///
/// Shares, or numbers of examples: what they add up to makes no difference to a softmax, and here they are brought to 1.
///
/// ```
/// use detloss::{Batch, batch::Target, frequency::logit_adjustment, losses::rows::SoftmaxCe};
///
/// let adjustment = logit_adjustment(&[1000.0, 100.0, 10.0, 1.0], 1.0)?;
/// let logits = [1.5, -0.5, 0.25, 2.0];
/// let adjusted: Vec<f64> = logits.iter().zip(adjustment).map(|(z, more)| z + more).collect();
/// let value = Batch::new(&adjusted, Target::Classes(&[3])).columns(4).value(&SoftmaxCe::default())?;
/// assert!((value - 6.425_641_657).abs() < 1e-9);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// Menon, Jayasumana, Rawat, Jain, Veit, Kumar, *Long-Tail Learning via Logit Adjustment*, ICLR 2021.
/// <https://arxiv.org/abs/2007.07314>. Balanced softmax: Ren et al., NeurIPS 2020. <https://arxiv.org/abs/2007.10740>
///
/// # Errors
///
/// If a number of examples is not positive, or `tau` is negative or not finite.
pub fn logit_adjustment(counts: &[f64], tau: f64) -> Result<Vec<f64>> {
    positive(COUNTS, counts)?;
    if !(tau >= 0.0 && tau.is_finite()) {
        let (what, wanted) = ("tau", "a number from 0 on");
        return Err(Error::InvalidNumber { what, index: 0, got: tau, wanted });
    }
    let all = counts.iter().sum::<f64>();
    Ok(counts.iter().map(|count| tau * (count / all).ln()).collect())
}

/// The margin of every class: m (nₘᵢₙ / nⱼ)^¼, where n are the numbers of examples, nₘᵢₙ the least of them and m is `max_m`, the paper's is 0.5.
///
/// The label-distribution-aware margin loss (LDAM) is the softmax cross entropy of s zⱼ, but s (zⱼ − mⱼ) for the class of the row. z are
/// the cosines of weights and features of unit length, and s is 30. The rarer a class is, the farther its rows have to be from the
/// others. The gradient by the cosines is s times that of the cross entropy. The authors weigh classes by
/// [`class_balanced_weights`] for the last part of a training run ("deferred").
///
/// ```
/// use detloss::{Batch, batch::Target, frequency::ldam_margins, losses::rows::SoftmaxCe};
///
/// let margins = ldam_margins(&[1000.0, 100.0, 10.0, 1.0], 0.5)?;
/// let (mut cosines, class) = ([0.3, -0.1, 0.05, 0.4], 2);
/// cosines[class] -= margins[class];
/// let logits = cosines.map(|cosine| 30.0 * cosine);
/// let value = Batch::new(&logits, Target::Classes(&[2])).columns(4).value(&SoftmaxCe::default())?;
/// assert!((value - 18.983_707_526_5).abs() < 1e-9);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// Cao, Wei, Gaidon, Arechiga, Ma, *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*, NeurIPS 2019.
/// <https://arxiv.org/abs/1906.07413>
///
/// # Errors
///
/// If a number of examples, or `max_m`, is not positive.
pub fn ldam_margins(counts: &[f64], max_m: f64) -> Result<Vec<f64>> {
    positive(COUNTS, counts)?;
    positive("max_m", &[max_m])?;
    let least = counts.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(counts.iter().map(|count| max_m * (least / count).powf(0.25)).collect())
}

/// What the numbers are called in errors.
const COUNTS: &str = "the counts of the classes";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tolerance, assert_close};

    const COUNTS: [f64; 4] = [1000.0, 100.0, 10.0, 1.0];

    fn hold(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
        for (got, &expected) in got.iter().zip(expected) {
            assert_close(*got, expected, printed, &expected);
        }
    }

    /// Numbers of 50 digits.
    #[test]
    fn weights_are_those_of_the_effective_number() {
        let weights = class_balanced_weights(&COUNTS, 0.9999).unwrap();
        hold(&weights, &[0.003_782_703_0, 0.036_177_384_4, 0.360_150_923_6, 3.599_888_989_0]);
    }

    #[test]
    fn weights_go_from_none_to_the_inverse_of_the_number() {
        hold(&class_balanced_weights(&COUNTS, 0.0).unwrap(), &[1.0; 4]);
        let inverse = class_balanced_weights(&COUNTS, 1.0).unwrap();
        hold(&inverse, &[0.001, 0.01, 0.1, 1.0].map(|share| 4.0 * share / 1.111));
        let nearly = class_balanced_weights(&COUNTS, 1.0 - 1e-15).unwrap();
        for (nearly, inverse) in nearly.iter().zip(inverse) {
            assert!((nearly - inverse).abs() < 1e-9 * inverse, "{nearly} {inverse}");
        }
        let even = class_balanced_weights(&[1e300; 3], 0.5).unwrap();
        hold(&even, &[1.0; 3]);
        assert_eq!(class_balanced_weights(&[], 0.5).unwrap(), []);
    }

    #[test]
    fn an_adjustment_is_the_logarithm_of_a_share() {
        let of_shares = logit_adjustment(&[0.5, 0.25, 0.25], 2.0).unwrap();
        hold(&of_shares, &[-2.0 * 2_f64.ln(), -4.0 * 2_f64.ln(), -4.0 * 2_f64.ln()]);
        hold(&logit_adjustment(&[2.0, 1.0, 1.0], 2.0).unwrap(), &of_shares);
        hold(&logit_adjustment(&COUNTS, 0.0).unwrap(), &[0.0; 4]);
    }

    #[test]
    fn the_rarest_class_has_the_largest_margin() {
        let margins = ldam_margins(&[1.0, 16.0, 81.0, 1e4], 0.5).unwrap();
        hold(&margins, &[0.5, 0.25, 0.5 / 3.0, 0.05]);
        hold(&ldam_margins(&[7.0; 2], 0.3).unwrap(), &[0.3; 2]);
    }

    #[test]
    fn what_is_no_count_is_an_error() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let counts = [3.0, bad];
            for result in [
                class_balanced_weights(&counts, 0.9),
                logit_adjustment(&counts, 1.0),
                ldam_margins(&counts, 0.5),
            ] {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::InvalidNumber { index: 1, .. }), "{error}");
                assert!(error.to_string().contains("the counts of the classes"), "{error}");
            }
        }
        assert!(class_balanced_weights(&COUNTS, 1.5).is_err());
        assert!(class_balanced_weights(&COUNTS, f64::NAN).is_err());
        assert!(logit_adjustment(&COUNTS, -1.0).is_err());
        assert!(ldam_margins(&COUNTS, 0.0).is_err());
    }
}
