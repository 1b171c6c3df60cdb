use crate::prelude::*;

loss! {
    /// Jaccard loss: how much of the union of two masks is not their intersection, soft IoU.
    ///
    /// ```text
    /// L = 1 − (I + ε) / (U + ε),    I = Σ p g,    U = Σ p + Σ g − I,    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x are the logits of the pixels of one instance, g their labels and ε the parameter eps.
    ///
    /// The measure masks are evaluated by, with scores in the place of decisions. Orders masks like [`dice`](super::Dice), of
    /// whose loss D it is 2D / (1 + D): harder on the masks that are nearly right.
    ///
    /// # Gradient
    ///
    /// (I (1 − g) − g U) / U² times p (1 − p). Smooth. An empty mask has the loss 1 for any scores, and slope 0; where the
    /// scores are all 0 too, the loss is 0.
    ///
    /// # Conventions
    ///
    /// A pixel with label −1 is left out. ε = 0: empty against empty is perfect without it. MONAI has 1e-5. For soft
    /// labels Σ p g is a product, not a minimum: the least loss is not 0.
    ///
    /// # References
    ///
    /// Rahman, Wang, *Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation*, ISVC 2016.
    /// The measure: Jaccard, *Étude comparative de la distribution florale*, 1901.
    "jaccard", "Jaccard" => pub struct Jaccard: Row {
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
    }
}

impl RowLoss for Jaccard {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: 1 − 1/3", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 2.0 / 3.0),
        case("one hit, one extra, one missed", &[99., 99., -99.], &[1., 0., 1.], 2.0 / 3.0),
        case("nothing there, nothing found", &[-1e4, -1e4], &[0., 0.], 0.0),
        case("with ε = 1: 1 − 2/4", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 0.5)
            .with(&[("eps", 1.0)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        of_overlap(token, row, self)
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_of_overlap(row, self))
    }
}

impl OfOverlap for Jaccard {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        overlap.tversky([1.0, 1.0], self.eps)
    }
}
