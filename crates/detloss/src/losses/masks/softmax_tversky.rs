use crate::prelude::*;

loss! {
    /// Softmax Tversky loss: the mean Tversky loss of the classes of an image.
    ///
    /// ```text
    /// L = mean over classes c of 1 − (TP + ε) / (TP + α FP + β FN + ε),
    ///     TP = Σ q g,    FP = Σ q (1 − g),    FN = Σ (1 − q) g,    q = e^z_c / Σⱼ e^zⱼ
    /// ```
    ///
    /// where the sums are over pixels, z are the logits of a pixel, g is 1 for the pixels of class c and 0 for all others, and α, β,
    /// ε are the parameters alpha, beta and eps.
    ///
    /// β > α asks for recall of every class. What one class has too much another one misses: with many classes the rare ones gain
    /// by it. α = β = ½ is [`softmax_dice`](super::SoftmaxDice), α = β = 1 [`softmax_jaccard`](super::SoftmaxJaccard).
    ///
    /// # Gradient
    ///
    /// By q that of [`tversky`](super::Tversky), divided by the number of classes that count, and from there through the softmax.
    /// Smooth.
    ///
    /// # Conventions
    ///
    /// α = 0.3 weighs the false positives and β = 0.7 the false negatives, as in [`tversky`](super::Tversky); MONAI has ½ for both
    /// and ε = 1e-5.
    ///
    /// A row is a pixel; give the images as `groups` for a loss of each. A pixel with the ignored class, or a negative one, is left
    /// out. Classes that are nowhere do not count, unless `absent` is set: without ε such a class has the loss 1 and slope 0.
    ///
    /// # References
    ///
    /// Salehi, Erdogmus, Gholipour, *Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep Networks*,
    /// MLMI 2017. <https://arxiv.org/abs/1706.05721>
    "softmax_tversky", "Softmax Tversky" => pub struct SoftmaxTversky: Set {
        /// Weight of the false positives.
        alpha: f64 = 0.3 in 0.0..=1.0,
        /// Weight of the false negatives.
        beta: f64 = 0.7 in 0.0..=1.0,
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
        /// Whether classes that are nowhere count, too.
        absent: bool = false,
    }
}

impl SetLoss for SoftmaxTversky {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: Dice, as FP and FN are even", &[0., 0., 0., 0.], &[0., 1.], 0.5),
        case(
            "decided, one of four wrong: mean of 0.3 / 1.3 and 0.7 / 2.7",
            &[99., 0., 0., 99., 99., 0., 0., 99.],
            &[0., 1., 1., 1.],
            0.245_014_245_014_245,
        ),
        case("right", &[1e4, 0., 0., 1e4], &[0., 1.], 0.0),
        case("Jaccard", &[0., 0., 0., 0.], &[0., 1.], 2.0 / 3.0)
            .with(&[("alpha", 1.0), ("beta", 1.0)]),
        case(
            "the absent class counts: mean of 0.35 / 0.85 and 1",
            &[0., 0.],
            &[0.],
            0.705_882_352_941_176_5,
        )
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

impl OfOverlap for SoftmaxTversky {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        overlap.tversky([self.alpha, self.beta], self.eps)
    }
}
