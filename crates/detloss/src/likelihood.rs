//! Losses of rows that are a sum over the classes: of each a function of its likelihood under a softmax, weighted by the target.

use crate::loss::{RowOf, RowTarget, TracedLoss, TracedRow};
use crate::scalar::lanes::Vector;
use crate::scalar::softmax::{Softmax, TracedSoftmax};
use crate::scalar::{Element, Scalar, lit, slice};

/// A function of the likelihood of one class.
pub trait OfLikelihood {
    /// The value at the likelihood q, and its slope by ln q. `wrong` is 1 − q and `surprise` −ln q, without cancellation.
    fn term<S: Scalar>(&self, likelihood: S, wrong: S, surprise: S) -> (S, S);
}

/// −ln q.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl OfLikelihood for CrossEntropy {
    #[inline(always)]
    fn term<S: Scalar>(&self, _: S, _: S, surprise: S) -> (S, S) {
        (surprise, surprise.lit(-1.0))
    }
}

/// Σₖ wₖ yₖ f(qₖ), and its gradient. A logit of −∞ excludes a class whose target is 0.
#[inline(always)]
pub fn sum_over_classes<V: Vector>(
    token: V::Token,
    mut row: RowOf<'_, V>,
    function: &impl OfLikelihood,
) -> f64 {
    let softmax = Softmax::<V>::new(token, row.logits, row.grad.as_deref_mut());
    match row.target {
        RowTarget::Class(class) => of_class(token, row, &softmax, class, function),
        RowTarget::Dense(target) => of_distribution(token, row, &softmax, target, function),
    }
}

/// The same of a traced row.
pub fn trace_over_classes<'t>(row: TracedRow<'t>, function: &impl OfLikelihood) -> TracedLoss<'t> {
    let softmax = TracedSoftmax::new(row.logits, 1.0);
    let (likelihood, wrong) = (softmax.likelihood(), softmax.complement());
    let share = row.column_weights.map_or(row.target, |weights| weighted(row.target, weights));
    let terms = function.term(likelihood, wrong, softmax.ln_sum() - softmax.shifted);
    let counts = |term| of_share(share, term, wrong);
    let (value, slope) = (counts(terms.0).row_sum(), counts(terms.1));
    // slope − q Σ slope, which for the one class with a share would cancel.
    TracedLoss { value, slope: slope * wrong - likelihood * (slope.row_sum() - slope) }
}

#[inline(always)]
fn of_class<V: Vector>(
    token: V::Token,
    row: RowOf<'_, V>,
    softmax: &Softmax<V>,
    class: usize,
    function: &impl OfLikelihood,
) -> f64 {
    let weight = row.column_weights.map_or(1.0, |weights| weights[class].to_f64());
    let logit = row.logits[class];
    let (surprise, wrong) = (softmax.surprise(logit), softmax.complement(logit));
    let (value, slope) = function.term(1.0 - wrong, wrong, surprise);
    if let Some(grad) = row.grad {
        // The slope of ln q itself is 1 − q at the class and −q elsewhere.
        let scale = weight * slope * row.scale.to_f64();
        slice::multiply::<V>(token, grad, -scale / softmax.sum());
        grad[class] = V::Element::from_f64(scale * wrong);
    }
    of_share(weight, value, wrong)
}

#[inline(always)]
fn of_distribution<V: Vector>(
    token: V::Token,
    mut row: RowOf<'_, V>,
    softmax: &Softmax<V>,
    target: &[V::Element],
    function: &impl OfLikelihood,
) -> f64 {
    let zero = V::splat(token, V::Element::default());
    let (mut value, mut slopes) = (zero, zero);
    for start in (0..target.len()).step_by(V::LEN) {
        let (term, slope) = terms(token, &row, softmax, target, start, function);
        value = value + term;
        slopes = slopes + slope;
    }
    if let Some(grad) = row.grad.take() {
        let scale = V::splat(token, row.scale);
        let per_power = V::splat(token, V::Element::from_f64(slopes.sum() / softmax.sum()));
        for start in (0..target.len()).step_by(V::LEN) {
            let power = slice::load::<V>(token, grad, start, 0.0);
            let (_, slope) = terms(token, &row, softmax, target, start, function);
            slice::store((slope - power * per_power) * scale, grad, start);
        }
    }
    value.sum()
}

/// The terms of the sum from column `start` on, and their slopes by ln q; 0 behind the end.
#[inline(always)]
fn terms<V: Vector>(
    token: V::Token,
    row: &RowOf<'_, V>,
    softmax: &Softmax<V>,
    target: &[V::Element],
    start: usize,
    function: &impl OfLikelihood,
) -> (V, V) {
    let mut share = slice::load::<V>(token, target, start, 0.0);
    if let Some(weights) = row.column_weights {
        share = weighted(share, slice::load(token, weights, start, 0.0));
    }
    let shifted = softmax.shifted(slice::load(token, row.logits, start, 0.0));
    let power = shifted.exp();
    let (likelihood, wrong) = (softmax.probability(power), softmax.complement_of(power));
    let (value, slope) = function.term(likelihood, wrong, lit(softmax.ln_sum()) - shifted);
    (of_share(share, value, wrong), of_share(share, slope, wrong))
}

/// The share of a class times its weight. A class without a share may weigh infinity, as 1 over a frequency of 0 does.
#[inline(always)]
pub fn weighted<S: Scalar>(share: S, weight: S) -> S {
    S::if_lt(share.lit(0.0), share.abs(), share * weight, share)
}

/// A term as far as it is asked for. A logit of −∞ with no share adds 0, not 0 · ∞; but NaN comes out again, which is in 1 − q too.
#[inline(always)]
fn of_share<S: Scalar>(share: S, term: S, wrong: S) -> S {
    share * S::if_lt(share.lit(0.0), share.abs(), term, wrong)
}
