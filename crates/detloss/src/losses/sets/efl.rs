use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Equalized focal: focal loss with a larger γ for classes that are pushed down more than pulled up.
    ///
    /// ```text
    /// L = −(1/n⁺) Σ αₜ (γⱼ/γ) (1 − pₜ)^γⱼ ln pₜ,    γⱼ = γ + s (1 − rⱼ),
    ///     rⱼ = Σ⁺ |∂L/∂x| / Σ⁻ |∂L/∂x| over all positives and all negatives of column j before, at most 1
    /// ```
    ///
    /// where x are the logits, j their columns (the classes), p the scores, pₜ is p for a positive and 1 − p for a negative, αₜ is alpha
    /// for a positive and 1 − alpha for a negative, n⁺ is the number of positives and s the parameter scale.
    ///
    /// [`focal`](super::super::scores::Focal) spares all classes of a one-stage detector from their easy places alike. A rare class is a
    /// negative nearly everywhere, and rⱼ near 0: it needs a larger γⱼ to be spared. As that makes its loss smaller, the factor
    /// γⱼ/γ gives it back what is hard. No count of the classes is needed.
    ///
    /// # Gradient
    ///
    /// ±αₜ (γⱼ/γ) (1 − pₜ)^γⱼ (γⱼ pₜ ln pₜ + pₜ − 1) / n⁺, with + for a positive: γⱼ comes from the batches before. Smooth.
    ///
    /// # Conventions
    ///
    /// γ = 2, s = 8, α = 0.25 as in the paper, whose YOLOX has s = 4. A label above 0 is positive; n⁺ is at least 1, and other numbers are
    /// the caller's to multiply. A negative alpha switches the weighting off.
    ///
    /// What is remembered are both sums of every column, first those of all positives. A column that has had no gradient has rⱼ = 1: so
    /// have all of them in the first batch, and outside of a training run, where this is the focal loss. After the first batch already, a
    /// column without a positive has rⱼ = 0. Nothing is ever forgotten. The gradients are those of this formula, whatever the
    /// value is multiplied by later; the authors take them behind the loss, with that factor. Their code takes the logarithm of a score
    /// that may be 0; here every finite logit has a finite loss.
    ///
    /// # References
    ///
    /// Li, Yao, Tan, Zhang, Lu, Luo, *Equalized Focal Loss for Dense Long-Tailed Object Detection*, CVPR 2022.
    /// <https://arxiv.org/abs/2201.02593>
    "efl", "Equalized focal" => pub struct Efl: Set {
        /// How strongly easy examples of a column are turned away from whose gradients are even.
        gamma: f64 = 2.0 in 0.1..=10.0,
        /// What gamma gains for a column without positives.
        scale: f64 = 8.0 in 0.0..=20.0,
        /// Weight of the positives; negatives have 1 − alpha. A negative number switches the weighting off.
        alpha: f64 = 0.25 in -1.0..=1.0,
    }
}

/// What the authors' code adds to the sum of the negatives, by which it divides. Gradients that come to no more are none.
const LEAST: f64 = 1e-10;

/// How many elements are computed before their gradients are added to their columns.
const BLOCK: usize = 512;

impl SetLoss for Efl {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;
    const STATE: State = State::PerColumn;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided, positive: ln 2 / 16", &[0.0], &[1.0], LN_2 / 16.0),
        case("undecided, negative: 3 ln 2 / 16", &[0.0], &[0.0], 3.0 * LN_2 / 16.0),
        case("one of each: the sum", &[0.0, 0.0], &[1.0, 0.0], LN_2 / 4.0),
        case("without alpha: ln 2 / 4", &[0.0], &[1.0], LN_2 / 4.0).with(&[("alpha", -1.0)]),
        case("wrong", &[2.0], &[0.0], 1.237_558_634_566_056_7),
        case("certain and right", &[1e4, -1e4], &[1.0, 0.0], 0.0),
    ];

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        vec![0.0; 2 * columns]
    }

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, mut set: SetOf<'_, V>) -> f64 {
        let gammas = match set.state.as_deref() {
            Some(state) => self.gammas(state),
            None => vec![self.gamma; set.columns],
        };
        let gammas: Vec<_> = gammas.into_iter().map(V::Element::from_f64).collect();
        let count = set.pred.len();
        let positives = set.target.iter().filter(|label| label.to_f64() > 0.0).count();
        let share = 1.0 / positives.max(1) as f64;
        let mut norms = vec![0.0; 2 * set.columns];
        let (mut gamma, mut norm) =
            ([V::Element::default(); BLOCK], [V::Element::default(); BLOCK]);
        let mut sum = 0.0;
        for first in (0..count).step_by(BLOCK) {
            let of_block = first..count.min(first + BLOCK);
            let (gamma, norm) = (&mut gamma[..of_block.len()], &mut norm[..of_block.len()]);
            for (gamma, column) in gamma.iter_mut().zip(set.columns_from(first)) {
                *gamma = gammas[column];
            }
            let (pred, target) = (&set.pred[of_block.clone()], &set.target[of_block.clone()]);
            let mut grad = set.grad.as_deref_mut().map(|grad| &mut grad[of_block.clone()]);
            sum += slice::sum(
                token,
                of_block.len(),
                #[inline(always)]
                |start| {
                    let (label, wrong) = slice::scores::<V>(token, pred, target, start);
                    let gamma = slice::load::<V>(token, gamma, start, self.gamma);
                    let (value, slope) = self.term(label, wrong, gamma);
                    slice::store(slope, norm, start);
                    if let Some(grad) = &mut grad {
                        let slope = slope * lit(set.scale * share);
                        slice::store(negate_if_positive(label, slope), grad, start);
                    }
                    value
                },
            );
            if set.state.is_some() {
                for ((column, norm), label) in set.columns_from(first).zip(norm).zip(target) {
                    let side = if label.to_f64() > 0.0 { 0 } else { set.columns };
                    norms[side + column] += norm.to_f64();
                }
            }
        }
        if sum.is_nan() {
            // Nor does the state change.
            return set.nan_result();
        }
        if let Some(state) = set.state {
            state.iter_mut().zip(norms).for_each(|(past, norm)| *past += norm * share);
        }
        sum * share
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let (label, wrong) = (set.target, negate_if_positive(set.target, set.pred));
        let (value, slope) = self.term(label, wrong, label.lit(self.gamma));
        let (zero, one) = (label.lit(0.0), label.lit(1.0));
        let share = set.sum(Expr::if_lt(zero, label, one, zero)).max(one).recip();
        let (value, slope) = (set.sum(value) * share, negate_if_positive(label, slope * share));
        Some(TracedLoss { value, slope: set.nan_with(value, slope) })
    }
}

impl Efl {
    /// The loss of an element before it is shared, and the size of its slope.
    #[inline(always)]
    fn term<S: Scalar>(self, label: S, wrong: S, gamma: S) -> (S, S) {
        let (of_positive, of_negative) =
            if self.alpha < 0.0 { (1.0, 1.0) } else { (self.alpha, 1.0 - self.alpha) };
        let weight = |weight: f64| label.lit(weight / self.gamma);
        let weight = S::if_lt(label.lit(0.0), label, weight(of_positive), weight(of_negative));
        // (1 − pₜ)^γ without a power of 0.
        let focus = (-(gamma * (-wrong).softplus())).exp() * weight * gamma;
        let surprise = wrong.softplus();
        let slope = focus * (gamma * (-wrong).sigmoid() * surprise + wrong.sigmoid());
        (focus * surprise, slope)
    }

    /// γⱼ of every column after all batches before.
    fn gammas(self, state: &[f64]) -> Vec<f64> {
        let (positives, negatives) = state.split_at(state.len() / 2);
        let gamma = |(&pulled, &pushed): (&f64, &f64)| {
            let had_none = pulled + pushed <= LEAST;
            let ratio = if had_none { 1.0 } else { (pulled / (pushed + LEAST)).min(1.0) };
            self.gamma + self.scale * (1.0 - ratio)
        };
        positives.iter().zip(negatives).map(gamma).collect()
    }
}
