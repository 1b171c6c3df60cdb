use crate::prelude::*;

loss! {
    /// Rank & Sort loss: ranks the positives above the negatives, and among each other by their quality.
    ///
    /// ```text
    /// L = 1/P Σᵢ Fᵢ / (rᵢ + Fᵢ) + 1/P Σᵢ (mean of 1 − tₖ over all k − mean of 1 − tₖ over tₖ ≥ tᵢ)
    ///
    /// rᵢ = Σₖ H(sₖ − sᵢ),    Fᵢ = Σⱼ H(sⱼ − sᵢ),    H(x) = clamp(x / 2δ + ½, 0, 1)
    /// ```
    ///
    /// where i and k, i among them, run over the P positives, j over the negatives (label 0), s are the logits, t the labels of the
    /// positives, which say how good their boxes are (their IoU), and δ the parameter delta. Each mean weighs positive k by
    /// H(sₖ − sᵢ), as one that is ranked above i. The first sum is the ranking, the second the sorting part.
    ///
    /// Needs no threshold, no balance and no head for the quality: a better box is to be ranked higher. The sorting part takes
    /// O(P log² P), everything else O(n log n).
    ///
    /// # Gradient
    ///
    /// The error-driven update of the paper, not a slope. Each positive passes its ranking error to the negatives above it and its
    /// sorting error to the positives of less quality above it, in the shares of their steps. All together are 0.
    ///
    /// # Conventions
    ///
    /// A positive counts itself with H(0) = ½, where AP and aLRP count it as 1. Labels of 1 for all positives leave the ranking
    /// part alone. There, the box loss is multiplied by the value of this loss over its own, with both detached.
    ///
    /// # References
    ///
    /// Oksuz, Cam, Akbas, Kalkan, *Rank & Sort Loss for Object Detection and Instance Segmentation*, ICCV 2021.
    /// <https://arxiv.org/abs/2107.11669>
    "rank_sort", "Rank & Sort" => pub struct RankSort: Set {
        /// Half the width over which the step rises, 1e-20 at least; or 0 for a hard step.
        delta: f64 = 0.5 in 0.0..=100.0,
    }
}

impl SetLoss for RankSort {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;
    const COMPONENTS: &'static [&'static str] = &["ranking", "sorting"];

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("in order", &[4., 2., -1.], &[0.9, 0.6, 0.], 0.0),
        case("one of each, undecided: 1/2", &[0., 0.], &[1., 0.], 0.5),
        case("the better box below", &[2., 4.], &[0.9, 0.6], 0.1),
        case("no positive", &[1., 2.], &[0., 0.], 0.0),
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
        let qualities: Vec<f64> =
            ranking.positives().map(|index| set.target[index].to_f64()).collect();
        let (above, pending) = ranking.negatives_above(set.grad);
        let like = ranking.positives_above();
        let sorting = ranking.sorted_by(&qualities);
        let errors: Vec<f64> =
            above.iter().zip(&like).map(|(above, like)| above / (like + above)).collect();
        if let Some(pending) = pending {
            let scale = set.scale / count;
            // A ranking error over the negatives above it.
            let shares: Vec<f64> =
                above.iter().zip(like).map(|(above, like)| scale / (like + above)).collect();
            let grad = ranking.below_negatives(pending, &shares);
            let passed_on = ranking.below_worse(&qualities, &sorting.shares);
            let of_pairs = sorting.errors.iter().zip(passed_on);
            for ((index, error), (sort, passed_on)) in
                ranking.positives().zip(&errors).zip(of_pairs)
            {
                grad[index] = V::Element::from_f64(scale * (passed_on - error - sort));
            }
        }
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / count;
        let components = [mean(&errors), mean(&sorting.errors)];
        set.components.copy_from_slice(&components);
        components.iter().sum()
    }
}
