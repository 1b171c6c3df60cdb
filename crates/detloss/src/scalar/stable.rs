//! What the losses of scores have in common, accurate for every logit.
//!
//! None of these computes `1 − p` from a probability p: that would lose the small numbers a confident score is about.

use super::{Scalar, lit};

/// Binary cross entropy: `−y ln p − (1 − y) ln(1 − p)` for p = sigmoid(logit) and a label y in 0..=1.
#[inline(always)]
pub fn cross_entropy<S: Scalar>(logit: S, label: S) -> S {
    logit.softplus() * (lit(1.0) - label) + (-logit).softplus() * label
}

/// How wrong the score is: `p (1 − y) + (1 − p) y`, for a label of 0 or 1 the distance from it.
#[inline(always)]
pub fn one_minus_pt<S: Scalar>(logit: S, label: S) -> S {
    logit.sigmoid() * (lit(1.0) - label) + (-logit).sigmoid() * label
}

/// The distance `|p − y|` from a label in 0..=1.
#[inline(always)]
pub fn abs_error<S: Scalar>(logit: S, label: S) -> S {
    (logit.sigmoid() * (lit(1.0) - label) - (-logit).sigmoid() * label).abs()
}

/// `alpha` for positives, `1 − alpha` for negatives, and between them for labels in between.
#[inline(always)]
pub fn alpha_t<S: Scalar>(label: S, alpha: f64) -> S {
    label * lit(alpha) + (lit(1.0) - label) * lit(1.0 - alpha)
}

/// `number` for a negative and `−number` for a positive, which is what has a label above 0.
///
/// So turned, a logit says how much it speaks against its label: its sigmoid is the distance from the label, its softplus the cross
/// entropy. The slope of anything made of it turns back the same way.
#[inline(always)]
pub fn negate_if_positive<S: Scalar>(label: S, number: S) -> S {
    S::if_lt(label.lit(0.0), label, -number, number)
}
