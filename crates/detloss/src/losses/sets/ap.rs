use crate::prelude::*;

loss! {
    /// AP loss: one minus the average precision, for scores that have to rank the positives first.
    ///
    /// ```text
    /// L = 1/P Σᵢ (1 − precᵢ),    precᵢ = aᵢ / (aᵢ + Fᵢ)
    ///
    /// aᵢ = 1 + Σₖ H(sₖ − sᵢ),    Fᵢ = Σⱼ H(sⱼ − sᵢ),    H(x) = clamp(x / 2δ + ½, 0, 1)
    /// ```
    ///
    /// where i and k ≠ i run over the P positives (label above 0), j over the N negatives (label 0), s are the logits and δ the
    /// parameter delta. With δ = 0, H(x) = [x ≥ 0].
    ///
    /// What is optimised is what is measured: the ranking of all scores of a batch, or of each image, against each other. A million
    /// easy negatives below every positive cost nothing, so no sampling and no focusing is needed. Computed in O(n log n), exactly;
    /// published code loops over the positives.
    ///
    /// # Gradient
    ///
    /// Not the slope of L, whose steps have none that leads anywhere, but the error-driven update of the paper: every pair passes
    /// its share Lᵢⱼ = H(sⱼ − sᵢ) / (aᵢ + Fᵢ) from the positive, whose gradient is −Σⱼ Lᵢⱼ / P, to the negative, whose gradient is
    /// Σᵢ Lᵢⱼ / P. All together are 0, those of the negatives are L. Without positives everything is 0.
    ///
    /// # Conventions
    ///
    /// All logits of the batch in one ranking is what the paper does (per GPU); give groups to rank each image by itself. Logits,
    /// not probabilities. With interpolate, a precision is the best one at this or a lower score, as in the official code and in
    /// the AP of PASCAL VOC, and the shares of the positive are scaled accordingly. A label of −1 is left out. Its box loss
    /// there is smooth L1.
    ///
    /// # References
    ///
    /// Chen, Li, Lin, See, Wang, Duan, Chen, He, Zou, *Towards Accurate One-Stage Object Detection with AP-Loss*, CVPR 2019.
    /// <https://arxiv.org/abs/1904.06373>
    "ap", "AP" => pub struct Ap: Set {
        /// Half the width over which the step rises, 1e-20 at least; or 0 for a hard step.
        delta: f64 = 1.0 in 0.0..=100.0,
        /// Whether the precision is interpolated.
        interpolate: bool = true,
    }
}

impl SetLoss for Ap {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("right order, well apart", &[2., 1., -1.], &[1., 1., 0.], 0.0),
        case("one of each, undecided: 1/3", &[0., 0.], &[1., 0.], 1.0 / 3.0),
        case("one of each, wrong order: 1/2", &[-2., 2.], &[1., 0.], 0.5),
        case("no positive", &[1., 2.], &[0., 0.], 0.0),
        case("a hard step", &[2., 0., 1.], &[1., 1., 0.], 1.0 / 6.0).with(&[("delta", 0.0)]),
    ];

    fn has_exact_gradient(&self) -> bool {
        false
    }

    #[inline(always)]
    fn set<V: Vector>(&self, _: V::Token, set: SetOf<'_, V>) -> f64 {
        let Some(ranking) = Ranking::new(&set, self.delta) else {
            return set.nan_result();
        };
        let count = ranking.count().max(1) as f64;
        let (above, pending) = ranking.negatives_above(set.grad);
        let like = ranking.positives_above();
        let mut errors: Vec<f64> = above
            .iter()
            .zip(like)
            .map(|(above, like)| above / (1.0 + like - ranking.tie() + above))
            .collect();
        if self.interpolate {
            let mut least = 1.0_f64;
            for error in &mut errors {
                least = least.min(*error);
                *error = least;
            }
        }
        if let Some(pending) = pending {
            let scale = set.scale / count;
            // The share of a pair is the step, times this.
            let shares: Vec<f64> = errors
                .iter()
                .zip(above)
                .map(|(error, above)| scale * error.safe_div(above))
                .collect();
            let grad = ranking.below_negatives(pending, &shares);
            for (index, error) in ranking.positives().zip(&errors) {
                grad[index] = V::Element::from_f64(-scale * error);
            }
        }
        errors.iter().sum::<f64>() / count
    }
}
