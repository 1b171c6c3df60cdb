use crate::prelude::*;

loss! {
    /// Dice loss: how much of two masks does not overlap, as a part of their mean size.
    ///
    /// ```text
    /// L = 1 − (2 Σ p g + ε) / (Σ p + Σ g + ε),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x are the logits of the pixels of one instance, g their labels and ε the parameter eps.
    ///
    /// One value per mask, whatever its size: a small object counts as much as a large one, and the background around it does
    /// not drown it. The slopes are small far from the solution; most detectors add a cross entropy or a focal loss.
    ///
    /// # Gradient
    ///
    /// 2 (Σ p g − g (Σ p + Σ g)) / (Σ p + Σ g)² times p (1 − p), for ε = 0. Smooth. An empty mask has the loss 1 for any scores,
    /// and slope 0; where the scores are all 0 too, the loss is 0.
    ///
    /// # Conventions
    ///
    /// A pixel with label −1 is left out. ε = 0: empty against empty is perfect without it. MONAI has 1e-5, Keras 1e-7,
    /// Mask2Former and DETR 1. MMDetection has this form as `naive_dice` (1e-3); its default is
    /// [`dice_squared`](super::DiceSquared). For soft labels Σ p g is a product, not a minimum: the least loss is not 0.
    ///
    /// # References
    ///
    /// Milletari, Navab, Ahmadi, *V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation*, 3DV
    /// 2016. <https://arxiv.org/abs/1606.04797>
    /// Sudre, Li, Vercauteren, Ourselin, Cardoso, *Generalised Dice Overlap as a Deep Learning Loss Function for Highly
    /// Unbalanced Segmentations*, DLMIA 2017. <https://arxiv.org/abs/1707.03237>
    "dice", "Dice" => pub struct Dice: Row {
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
    }
}

impl RowLoss for Dice {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: 1 − 2/4", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 0.5),
        case("one hit, one extra, one missed", &[99., 99., -99.], &[1., 0., 1.], 0.5),
        case("nothing there, nothing found", &[-1e4, -1e4], &[0., 0.], 0.0),
        case("one pixel left out", &[0., 0., 5.], &[1., 1., -1.], 1.0 / 3.0),
        case("with ε = 1: 1 − 3/5", &[0., 0., 0., 0.], &[1., 1., 0., 0.], 0.4)
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

impl OfOverlap for Dice {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        // Half of both denominators: Σ p + Σ g = 2 TP + FP + FN.
        overlap.tversky([0.5, 0.5], 0.5 * self.eps)
    }
}
