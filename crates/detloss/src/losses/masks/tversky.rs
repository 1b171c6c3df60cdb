use crate::prelude::*;

loss! {
    /// Tversky loss: the Dice loss with separate weights for what is too much and what is missing.
    ///
    /// ```text
    /// L = 1 − (TP + ε) / (TP + α FP + β FN + ε),    TP = Σ p g,    FP = Σ p (1 − g),    FN = Σ (1 − p) g
    /// ```
    ///
    /// where p = 1 / (1 + e^−x) are the scores of the pixels of one instance, g their labels and α, β, ε the parameters alpha,
    /// beta and eps.
    ///
    /// β > α asks for recall: a missed pixel of a small object costs more than one too many. α = β = ½ is
    /// [`dice`](super::Dice), α = β = 1 [`jaccard`](super::Jaccard).
    ///
    /// # Gradient
    ///
    /// ((α (1 − g) − β g) TP − g (α FP + β FN)) / (TP + α FP + β FN)² times p (1 − p), for ε = 0. Smooth. An empty mask has the
    /// loss 1 for any scores, and slope 0; where the scores are all 0 too, the loss is 0.
    ///
    /// # Conventions
    ///
    /// α = 0.3 weighs the false positives and β = 0.7 the false negatives: what the paper found best. MONAI and Keras have ½
    /// for both, and ε = 1e-5 and 1e-7. Abraham and Khan have the letters the other way round. A pixel with label −1 is
    /// left out.
    ///
    /// # References
    ///
    /// Salehi, Erdogmus, Gholipour, *Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep Networks*,
    /// MLMI 2017. <https://arxiv.org/abs/1706.05721>
    "tversky", "Tversky" => pub struct Tversky: Row {
        /// Weight of the false positives.
        alpha: f64 = 0.3 in 0.0..=1.0,
        /// Weight of the false negatives.
        beta: f64 = 0.7 in 0.0..=1.0,
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
    }
}

impl RowLoss for Tversky {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();

    const CASES: &'static [Case] = &[
        case("one extra: 0.3 / 1.3", &[99., 99., -99.], &[1., 0., 0.], 0.230_769_230_769_230_77),
        case("one missed: 0.7 / 1.7", &[99., -99., -99.], &[1., 1., 0.], 0.411_764_705_882_352_9),
        case("nothing there, nothing found", &[-1e4, -1e4], &[0., 0.], 0.0),
        case("Dice", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 0.5)
            .with(&[("alpha", 0.5), ("beta", 0.5)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        of_overlap(token, row, self)
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_of_overlap(row, self))
    }
}

impl OfOverlap for Tversky {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        overlap.tversky([self.alpha, self.beta], self.eps)
    }
}
