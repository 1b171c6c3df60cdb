use crate::prelude::*;

loss! {
    /// aLRP loss: average localisation-recall-precision, one ranking for scores and boxes together.
    ///
    /// ```text
    /// L = 1/P Σᵢ Fᵢ / rankᵢ + β · 1/P Σᵢ (Eᵢ + Σₖ Eₖ H(sₖ − sᵢ)) / rankᵢ
    ///
    /// rankᵢ = 1 + Σₖ H(sₖ − sᵢ) + Fᵢ,    Fᵢ = Σⱼ H(sⱼ − sᵢ),    H(x) = clamp(x / 2δ + ½, 0, 1)
    /// ```
    ///
    /// where i and k ≠ i run over the P positives (label above 0), j over the negatives (label 0), s are the logits, E ≥ 0 the
    /// localisation errors of the positives' boxes, β the parameter balance and δ the parameter delta. The first sum is the
    /// classification, the second the regression part. A prediction is a logit with the error of its box; negatives have none, and
    /// what stands there is not read.
    ///
    /// The higher a positive is ranked, the more its box counts, and the worse its box, the lower it should be ranked. For E take
    /// (1 − IoU) / ½, or the GIoU loss, and pass the gradient by E on to the boxes.
    ///
    /// # Gradient
    ///
    /// By the logits the error-driven update of the paper, not a slope. With eᵢ = (Fᵢ + Σₖ Eₖ H(sₖ − sᵢ)) / rankᵢ where Fᵢ > 1e-5
    /// and else 0, a positive has −eᵢ / P and a negative Σᵢ H(sⱼ − sᵢ) eᵢ / Fᵢ / P: all together are 0. By Eₖ the slope of the
    /// regression part, ranks detached.
    ///
    /// # Conventions
    ///
    /// The official code orders the errors of the regression part by a hard step and ranks by a smooth one: so here, unless
    /// smooth_order is 1, which is the paper's equation. The classification part is not interpolated. In a training run the state
    /// balances itself: it holds β, which begins at 50 and after every period of steps becomes (mean classification + mean
    /// regression) / mean regression; then the two sums and the number of steps. Without a state β is the parameter.
    ///
    /// # References
    ///
    /// Oksuz, Cam, Akbas, Kalkan, *A Ranking-based, Balanced Loss Function Unifying Classification and Localisation in Object
    /// Detection*, NeurIPS 2020. <https://arxiv.org/abs/2009.13592>
    "alrp", "aLRP" => pub struct Alrp: Set {
        /// Half the width over which the step rises, 1e-20 at least; or 0 for a hard step.
        delta: f64 = 1.0 in 0.0..=100.0,
        /// Whether the errors of the regression part are ordered by the smooth step, instead of a hard one.
        smooth_order: bool = false,
        /// Weight of the regression part outside of a training run.
        balance: f64 = 1.0 in 0.0..=1e6,
        /// Steps of a training run between updates of the balance: an epoch of COCO with 32 images each.
        period: u32 = 3665 in 1..=1_000_000_000,
    }
}

/// Below this there is no negative that the update of a positive could be passed to.
const LEAST: f64 = 1e-5;

/// What a training run begins to weigh the regression part with.
const FIRST_BALANCE: f64 = 50.0;

impl SetLoss for Alrp {
    const PRED: Kind = Kind::LogitWithError;
    const TARGET: Kind = Kind::Label;
    const COMPONENTS: &'static [&'static str] = &["classification", "regression"];
    const STATE: State = State::Fixed;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY);

    const CASES: &'static [Case] = &[
        case("right order, perfect boxes", &[2., 0., 1., 0., -1., 0.], &[1., 1., 0.], 0.0),
        case("one of each, undecided, a box of IoU ¾", &[0., 0.5, 0., 0.], &[1., 0.], 2.0 / 3.0),
        case("right order, a box of IoU ¾", &[2., 0.5, -2., 0.], &[1., 0.], 0.5),
        case("the same, balanced", &[2., 0.5, -2., 0.], &[1., 0.], 5.0).with(&[("balance", 10.0)]),
    ];

    fn has_exact_gradient(&self) -> bool {
        false
    }

    /// β, Σ classification, Σ regression, steps.
    fn initial_state(&self, _: usize) -> Vec<f64> {
        vec![FIRST_BALANCE, 0.0, 0.0, 0.0]
    }

    #[inline(always)]
    fn set<V: Vector>(&self, _: V::Token, set: SetOf<'_, V>) -> f64 {
        let Some(ranking) = Ranking::new(&set, self.delta) else {
            return set.nan_result();
        };
        let count = ranking.count().max(1) as f64;
        let errors: Vec<f64> = ranking
            .positives()
            .map(|index| set.pred[2 * index + 1].to_f64().clamp_finite())
            .collect();
        let (above, pending) = ranking.negatives_above(set.grad);
        let ranks: Vec<f64> = ranking
            .positives_above()
            .iter()
            .zip(&above)
            .map(|(like, above)| 1.0 + like - ranking.tie() + above)
            .collect();
        // Of the others, so without the error of the positive itself.
        let of_others: Vec<f64> = ranking
            .weighted_above(&errors, Step::Rising)
            .iter()
            .zip(&errors)
            .map(|(sum, error)| sum - ranking.tie() * error)
            .collect();
        let ordered = if self.smooth_order {
            of_others.iter().zip(&errors).map(|(others, error)| others + error).collect()
        } else {
            ranking.weighted_above(&errors, Step::Hard)
        };
        let mean = |sums: &[f64]| {
            sums.iter().zip(&ranks).map(|(sum, rank)| sum / rank).sum::<f64>() / count
        };
        let (classification, regression) = (mean(&above), mean(&ordered));
        let balance = match set.state {
            Some(state) => self.update(state, classification, regression),
            None => self.balance,
        };
        if let Some(pending) = pending {
            let scale = set.scale / count;
            let updates =
                above.iter().zip(&of_others).zip(&ranks).map(|((above, others), rank)| {
                    if *above > LEAST { scale * (above + others) / rank } else { 0.0 }
                });
            let updates: Vec<f64> = updates.collect();
            let shares: Vec<f64> =
                updates.iter().zip(&above).map(|(update, above)| update.safe_div(*above)).collect();
            let grad = ranking.below_negatives(pending, &shares);
            let by_error = self.slopes_by_error(&ranking, &ranks);
            for ((index, update), slope) in ranking.positives().zip(&updates).zip(by_error) {
                grad[2 * index] = V::Element::from_f64(-update);
                grad[2 * index + 1] = V::Element::from_f64(scale * balance * slope);
            }
        }
        let components = [classification, balance * regression];
        set.components.copy_from_slice(&components);
        components.iter().sum()
    }
}

impl Alrp {
    /// The slopes of the sum of the regression part with respect to the error of each positive, ranks detached.
    fn slopes_by_error<T: Compute>(&self, ranking: &Ranking<'_, T>, ranks: &[f64]) -> Vec<f64> {
        let per_rank: Vec<f64> = ranks.iter().map(|rank| 1.0 / rank).collect();
        if self.smooth_order {
            let mut slopes = ranking.weighted_below(&per_rank, Step::Rising);
            let itself = 1.0 - ranking.tie();
            slopes.iter_mut().zip(per_rank).for_each(|(slope, own)| *slope += itself * own);
            slopes
        } else {
            ranking.weighted_below(&per_rank, Step::Hard)
        }
    }

    /// The balance of this step; brings the state up to date.
    fn update(&self, state: &mut [f64], classification: f64, regression: f64) -> f64 {
        let [balance, classifications, regressions, steps] = state else {
            unreachable!("the driver checks the length of the state")
        };
        let now = *balance;
        *classifications += classification;
        *regressions += regression;
        *steps += 1.0;
        if *steps >= f64::from(self.period) {
            if *regressions > 0.0 {
                *balance = (*classifications + *regressions) / *regressions;
            }
            (*classifications, *regressions, *steps) = (0.0, 0.0, 0.0);
        }
        now
    }
}
