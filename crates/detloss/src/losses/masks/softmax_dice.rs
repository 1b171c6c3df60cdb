use crate::prelude::*;

loss! {
    /// Softmax Dice loss: the mean Dice loss of the classes of an image.
    ///
    /// ```text
    /// L = mean over classes c of 1 − (2 Σ q g + ε) / (Σ q + Σ g + ε),    q = e^z_c / Σⱼ e^zⱼ
    /// ```
    ///
    /// where the sums are over pixels, z are the logits of a pixel, g is 1 for the pixels of class c and 0 for all others, and ε is
    /// the parameter eps.
    ///
    /// That of semantic segmentation: every class counts alike, however few its pixels. Most networks add a cross entropy, whose
    /// slopes do not get small far from the solution. For one mask per object see [`dice`](super::Dice).
    ///
    /// # Gradient
    ///
    /// By q that of [`dice`](super::Dice), divided by the number of classes that count, and from there through the softmax. Smooth.
    ///
    /// # Conventions
    ///
    /// A row is a pixel; give the images as `groups` for a loss of each. A pixel with the ignored class, or a negative one, is left
    /// out. Classes that are nowhere do not count, unless `absent` is set: without ε such a class has the loss 1 and slope 0.
    ///
    /// ε = 0 here, 1e-5 in MONAI, which counts absent classes, and may leave out the first one as background. Segmentation Models
    /// PyTorch gives absent classes the loss 0 and divides by the number of all.
    ///
    /// # References
    ///
    /// Milletari, Navab, Ahmadi, *V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation*, 3DV
    /// 2016. <https://arxiv.org/abs/1606.04797>
    /// Drozdzal, Vorontsov, Chartrand, Kadoury, Pal, *The Importance of Skip Connections in Biomedical Image Segmentation*, 2016.
    /// <https://arxiv.org/abs/1608.04117>
    "softmax_dice", "Softmax Dice" => pub struct SoftmaxDice: Set {
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
        /// Whether classes that are nowhere count, too.
        absent: bool = false,
    }
}

impl SetLoss for SoftmaxDice {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: 1 − 2/4 for both", &[0., 0., 0., 0.], &[0., 1.], 0.5),
        case(
            "decided, one of four wrong: mean of ⅓ and 1/5",
            &[99., 0., 0., 99., 99., 0., 0., 99.],
            &[0., 1., 1., 1.],
            4.0 / 15.0,
        ),
        case("right", &[1e4, 0., 0., 1e4], &[0., 1.], 0.0),
        case("one class of two: 1 − 2/3", &[0., 0.], &[0.], 1.0 / 3.0),
        case("the absent class counts: mean of ⅓ and 1", &[0., 0.], &[0.], 2.0 / 3.0)
            .with(&[("absent", 1.0)]),
    ];

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        mean_over_classes(token, set, self.absent, self)
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_mean_over_classes(set, self.absent, self))
    }
}

impl OfOverlap for SoftmaxDice {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        // Half of both denominators: Σ q + Σ g = 2 TP + FP + FN.
        overlap.tversky([0.5, 0.5], 0.5 * self.eps)
    }
}
