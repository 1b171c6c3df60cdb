use crate::prelude::*;

loss! {
    /// Squared Dice loss: the Dice loss with squares in the denominator, as V-Net has it.
    ///
    /// ```text
    /// L = 1 − (2 Σ p g + ε) / (Σ p² + Σ g² + ε) = Σ (p − g)² / (Σ p² + Σ g² + ε),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x are the logits of the pixels of one instance, g their labels and ε the parameter eps.
    ///
    /// The squared distance of the two masks by their squared lengths. Other than [`dice`](super::Dice) it is 0 where the
    /// scores are the labels, soft ones too, and does not pull every score to 0 or 1. That of SOLO, CondInst and MMDetection.
    ///
    /// # Gradient
    ///
    /// 2 (p − g − p L) / (Σ p² + Σ g² + ε) times p (1 − p). Smooth. An empty mask has the loss 1 for any scores, and slope 0;
    /// where the scores are all 0 too, the loss is 0.
    ///
    /// # Conventions
    ///
    /// A pixel with label −1 is left out. ε = 0: empty against empty is perfect without it. MMDetection adds 1e-3 to
    /// both sums below and to nothing above, so that a perfect mask costs something and empty against empty is worth 1. The
    /// `squared_pred` of MONAI adds 1e-5 above and below.
    ///
    /// # References
    ///
    /// Milletari, Navab, Ahmadi, *V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation*, 3DV
    /// 2016. <https://arxiv.org/abs/1606.04797>
    "dice_squared", "Squared Dice" => pub struct DiceSquared: Row {
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
    }
}

impl RowLoss for DiceSquared {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: 1 − 2/3", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 1.0 / 3.0),
        case("a soft label, met", &[0., 99.], &[0.5, 1.], 0.0),
        case("nothing there, nothing found", &[-1e4, -1e4], &[0., 0.], 0.0),
        case("with ε = 1: 1 − 3/4", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 0.25)
            .with(&[("eps", 1.0)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, mut row: RowOf<'_, V>) -> f64 {
        let [distance, scores, labels] = slice::sums(
            token,
            row.logits.len(),
            #[inline(always)]
            |start| {
                let pixels = Pixels::<V>::new(token, &row, start);
                let error = pixels.extra() - pixels.missed();
                [error.square(), pixels.score.square(), pixels.label.square()]
            },
        );
        let all = scores + labels + self.eps;
        let value = distance.safe_div(all);
        if let Some(grad) = row.grad.take() {
            let scale = (2.0 * row.scale.to_f64()).safe_div(all);
            for start in (0..grad.len()).step_by(V::LEN) {
                let pixels = Pixels::<V>::new(token, &row, start);
                let error = pixels.extra() - pixels.missed();
                let slope = (error - pixels.score * lit(value)) * lit(scale);
                slice::store(slope * pixels.slope(), grad, start);
            }
        }
        value
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        let pixels = Pixels::of(row.logits, row.target);
        let error = pixels.extra() - pixels.missed();
        let squares = (pixels.score.square().row_sum(), pixels.label.square().row_sum());
        let all = squares.0 + squares.1 + lit(self.eps);
        let value = error.square().row_sum().safe_div(all);
        let scale = all.lit(2.0).safe_div(all);
        let slope = (error - pixels.score * value) * scale * pixels.slope();
        Some(TracedLoss { value, slope })
    }
}
