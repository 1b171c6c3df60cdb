use crate::prelude::*;

loss! {
    /// Softmax Jaccard loss: the mean Jaccard loss of the classes of an image, soft mean IoU.
    ///
    /// ```text
    /// L = mean over classes c of 1 − (I + ε) / (U + ε),    I = Σ q g,    U = Σ q + Σ g − I,    q = e^z_c / Σⱼ e^zⱼ
    /// ```
    ///
    /// where the sums are over pixels, z are the logits of a pixel, g is 1 for the pixels of class c and 0 for all others, and ε is
    /// the parameter eps.
    ///
    /// The measure of semantic segmentation, with scores in the place of decisions. It is cheaper than
    /// [`lovasz_softmax`](super::LovaszSoftmax), which needs a sort for every class and is piecewise linear in the scores.
    ///
    /// # Gradient
    ///
    /// By q that of [`jaccard`](super::Jaccard), divided by the number of classes that count, and from there through the softmax.
    /// Smooth.
    ///
    /// # Conventions
    ///
    /// A row is a pixel; give the images as `groups` for a loss of each. A pixel with the ignored class, or a negative one, is left
    /// out. Classes that are nowhere do not count, unless `absent` is set: without ε such a class has the loss 1 and slope 0.
    ///
    /// ε = 0 here, 1e-5 in MONAI, which counts absent classes.
    ///
    /// # References
    ///
    /// Rahman, Wang, *Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation*, ISVC 2016.
    "softmax_jaccard", "Softmax Jaccard" => pub struct SoftmaxJaccard: Set {
        /// Added to numerator and denominator, to compute what a library with an epsilon computes.
        eps: f64 = 0.0 in 0.0..=1.0,
        /// Whether classes that are nowhere count, too.
        absent: bool = false,
    }
}

impl SetLoss for SoftmaxJaccard {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: 1 − ½ / 1½ for both", &[0., 0., 0., 0.], &[0., 1.], 2.0 / 3.0),
        case(
            "decided, one of four wrong: mean of ½ and ⅓",
            &[99., 0., 0., 99., 99., 0., 0., 99.],
            &[0., 1., 1., 1.],
            5.0 / 12.0,
        ),
        case("right", &[1e4, 0., 0., 1e4], &[0., 1.], 0.0),
        case("one class of two: 1 − ½", &[0., 0.], &[0.], 0.5),
        case("the absent class counts: mean of ½ and 1", &[0., 0.], &[0.], 0.75)
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

impl OfOverlap for SoftmaxJaccard {
    #[inline(always)]
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S> {
        overlap.tversky([1.0, 1.0], self.eps)
    }
}
