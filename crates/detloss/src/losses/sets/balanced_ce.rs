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
                let surprise = wrong.softplus();
                [
                    V::if_lt(zero, label, zero + lit(1.0), zero),
                    V::if_lt(zero, label, surprise, zero),
                    V::if_lt(zero, label, zero, surprise),
                ]
            },
        );
        let (all, negatives) = (count as f64, count as f64 - positives);
        let has_both = positives > 0.0 && negatives > 0.0;
        let alpha = if has_both { negatives / all } else { 0.5 };
        if let Some(grad) = set.grad {
            let scale = set.scale / all;
            let of_positive = zero + lit(scale * alpha);
            let of_negative = zero + lit(scale * (1.0 - alpha));
            for start in (0..count).step_by(V::LEN) {
                let (label, wrong) = slice::scores::<V>(token, set.pred, set.target, start);
                let weight = V::if_lt(zero, label, of_positive, of_negative);
                slice::store(negate_if_positive(label, wrong.sigmoid() * weight), grad, start);
            }
        }
        (alpha * of_positives + (1.0 - alpha) * of_negatives) / all
    }
}
