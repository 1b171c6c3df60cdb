use crate::prelude::*;

loss! {
    /// Focal Tversky loss: the Tversky loss, raised to a power that keeps the nearly perfect masks in play.
    ///
    /// ```text
    /// L = (1 − TP / (TP + α FP + β FN))^(1/γ),    TP = Σ p g,    FP = Σ p (1 − g),    FN = Σ (1 − p) g
    /// ```
    ///
    /// where p = 1 / (1 + e^−x) are the scores of the pixels of one instance, g their labels and α, β, γ the parameters alpha,
    /// beta and gamma.
    ///
    /// Despite its name it does the opposite of the focal loss: with 1/γ below 1 the slope grows as a mask gets better. γ = 1
    /// is [`tversky`](super::Tversky).
    ///
    /// # Gradient
    ///
    /// L / (γ (1 − index)) times that of the Tversky loss. The power alone has an infinite slope at 0: there the slope is 0.
    /// Smooth elsewhere.
    ///
    /// # Conventions
    ///
    /// The exponent is 1/γ with γ = 4/3, as in the paper; segmentation_models.pytorch raises to γ itself. α = 0.3 weighs the
    /// false positives and β = 0.7 the false negatives; the paper has the letters the other way round. A pixel with a negative
    /// label is left out, and empty against empty is perfect.
    ///
    /// # References
    ///
    /// Abraham, Khan, *A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation*, ISBI 2019.
    /// <https://arxiv.org/abs/1810.07842>
    "focal_tversky", "Focal Tversky" => pub struct FocalTversky: Row {
        /// Weight of the false positives.
        alpha: f64 = 0.3 in 0.0..=1.0,
        /// Weight of the false negatives.
        beta: f64 = 0.7 in 0.0..=1.0,
        /// One by the exponent. 1 is the Tversky loss.
        gamma: f64 = 1.333_333_333_333_333_3 in 1.0..=3.0,
    }
}

impl RowLoss for FocalTversky {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();

    const CASES: &'static [Case] = &[
        case("half of it found: (0.7 / 1.7)^¾", &[99., -99.], &[1., 1.], 0.514_028_074_046_672_5),
        case("perfect", &[1e4, -1e4], &[1., 0.], 0.0),
        case("nothing there, nothing found", &[-1e4, -1e4], &[0., 0.], 0.0),
        case("gamma 1: Tversky", &[99., -99.], &[1., 1.], 0.411_764_705_882_352_9)
            .with(&[("gamma", 1.0)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        of_overlap(token, row, self)
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_of_overlap(row, self))
    }
}

impl OfOverlap for FocalTversky {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        let loss = overlap.tversky([self.alpha, self.beta], 0.0);
        let value = loss.value.pow(1.0 / self.gamma);
        let outer = value.safe_div(loss.value) * lit(1.0 / self.gamma);
        OverlapLoss { value, background: loss.background * outer, object: loss.object * outer }
    }
}
