use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Balanced CE: binary cross entropy in which positives and negatives have the same say.
    ///
    /// ```text
    /// L = (1/N) [ −α Σ⁺ ln pᵢ − (1 − α) Σ⁻ ln(1 − pᵢ) ],    α = n / (m + n),    p = σ(x)
    /// ```
    ///
    /// where x are the logits of m positives and n negatives, N = m + n, and Σ⁺ and Σ⁻ go over the one and the other.
    ///
    /// [`alpha_balanced_ce`](super::super::scores::AlphaBalancedCe) with the weight that the set itself asks for: both classes
    /// have the total weight m n / N². The rarer a class is, the louder are its elements; an easy negative still counts like a
    /// hard one, which [`focal`](super::super::scores::Focal) repairs. With groups every image is balanced by itself.
    ///
    /// # Gradient
    ///
    /// −(α/N) (1 − p) for positives, ((1 − α)/N) p for negatives. Smooth everywhere: α depends on the labels alone.
    ///
    /// # Conventions
    ///
    /// A label above 0 is positive. A set of one class only has nothing to balance: α is then 1/2 instead of the 0 or 1 that
    /// would silence it, so that an image without objects still teaches. "Weighted CE" with the positive weight n/m is this
    /// times N/m; the loss of HED is this times N.
    ///
    /// # References
    ///
    /// Xie, Tu, *Holistically-Nested Edge Detection*, ICCV 2015, eq. 2. <https://arxiv.org/abs/1504.06375>
    /// Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017, eq. 3.
    /// <https://arxiv.org/abs/1708.02002>
    "balanced_ce", "Balanced CE" => pub struct BalancedCe: Set {}
}

impl SetLoss for BalancedCe {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: 2 (1 · 3 / 4²) ln 2", &[0.; 4], &[1., 0., 0., 0.], 0.375 * LN_2),
        case("no positives: half the cross entropy", &[0., 0.], &[0., 0.], 0.5 * LN_2),
        case("no negatives: the same", &[0.], &[1.], 0.5 * LN_2),
        case("utterly wrong", &[100., 100.], &[1., 0.], 25.0),
        case("certain and right", &[1e4, -1e4], &[1., 0.], 0.0),
    ];

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        let count = set.pred.len();
        let zero = V::splat(token, V::Element::default());
        let [positives, of_positives, of_negatives] = slice::sums(
            token,
            count,
            #[inline(always)]
            |start| {
                let (label, wrong) = slice::scores::<V>(token, set.pred, set.target, start);
                terms(label, wrong)
            },
        );
        let all = count as f64;
        let alpha = alpha(all, positives);
        if let Some(grad) = set.grad {
            let scale = set.scale / all;
            let of_positive = zero + lit(scale * alpha);
            let of_negative = zero + lit(scale * (1.0 - alpha));
            for start in (0..count).step_by(V::LEN) {
                let (label, wrong) = slice::scores::<V>(token, set.pred, set.target, start);
                slice::store(slope(label, wrong, of_positive, of_negative), grad, start);
            }
        }
        mean(all, alpha, of_positives, of_negatives)
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let (label, all) = (set.target, set.count);
        let wrong = negate_if_positive(label, set.pred);
        let [positives, of_positives, of_negatives] = terms(label, wrong).map(|term| set.sum(term));
        let alpha = alpha(all, positives);
        let (of_positive, of_negative) = (alpha.safe_div(all), (lit(1.0) - alpha).safe_div(all));
        Some(TracedLoss {
            value: mean(all, alpha, of_positives, of_negatives),
            slope: slope(label, wrong, of_positive, of_negative),
        })
    }
}

/// Whether it is a positive, and the cross entropy of a positive and of a negative.
#[inline(always)]
fn terms<S: Scalar>(label: S, wrong: S) -> [S; 3] {
    let (zero, surprise) = (label.lit(0.0), wrong.softplus());
    [
        S::if_lt(zero, label, label.lit(1.0), zero),
        S::if_lt(zero, label, surprise, zero),
        S::if_lt(zero, label, zero, surprise),
    ]
}

/// The weight of a positive; that of a negative is the rest of 1.
fn alpha<S: Scalar>(all: S, positives: S) -> S {
    let (zero, even, negatives) = (all.lit(0.0), all.lit(0.5), all - positives);
    let alpha = S::if_lt(zero, positives, negatives.safe_div(all), even);
    S::if_lt(zero, negatives, alpha, even)
}

fn mean<S: Scalar>(all: S, alpha: S, of_positives: S, of_negatives: S) -> S {
    (alpha * of_positives + (lit(1.0) - alpha) * of_negatives).safe_div(all)
}

#[inline(always)]
fn slope<S: Scalar>(label: S, wrong: S, of_positive: S, of_negative: S) -> S {
    let weight = S::if_lt(label.lit(0.0), label, of_positive, of_negative);
    negate_if_positive(label, wrong.sigmoid() * weight)
}
