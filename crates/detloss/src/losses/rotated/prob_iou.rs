use crate::prelude::*;

loss! {
    /// ProbIoU loss: the Hellinger distance of two boxes as normal distributions.
    ///
    /// ```text
    /// L = H = √(1 − e^−D),   ProbIoU = 1 − H
    /// D = 1/8 (c − C)ᵀ M⁻¹ (c − C) + 1/2 ln( det M / √(det S det T) ),   M = (S + T) / 2
    /// ```
    ///
    /// where c and C are the centres of prediction and target, and S and T their covariances: a twelfth of the squares of the
    /// sides, the variance of a uniform rectangle, turned by the angle.
    ///
    /// H is a metric between 0 and 1, and 1 − H behaves as an IoU does. Its slope vanishes for boxes far apart, for which the
    /// paper begins the training with D: `distance`. The angle needs no range and the sides no order.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. A square has no angle, and no slope by it, unless the other box is none. The root has a kink at
    /// identical boxes, where the slope is 0, the mean of both sides; near it H grows as the offset does.
    ///
    /// # Conventions
    ///
    /// The paper's. Ultralytics adds 1e-7 in three places, which moves values by up to 6e-7, holds D within 1e-7 and 100, and in the
    /// training of oriented boxes adds 0.01 to each variance, in units of the stride: `floor = 0.01`. PaddleDetection adds 1e-3.
    ///
    /// Computed from differences and by e^x − 1: nothing cancels. Sides count as no less than 1e-6; lengths beyond a factor of
    /// a million of the target's w + h count as that.
    ///
    /// # References
    ///
    /// Llerena, Zeni, Kristen, Jung, *Gaussian Bounding Boxes and Probabilistic Intersection-over-Union for Object Detection*,
    /// 2021, the losses L1 (H) and L2 (D). <https://arxiv.org/abs/2106.06072>
    "prob_iou", "ProbIoU" => pub struct ProbIou: Formula {
        /// Added to each variance, a twelfth of the square of a side: it bounds the slopes of tiny boxes, and gives the loss a
        /// scale.
        floor: f64 = 0.0 in 0.0..=1.0,
        /// Whether the loss is D, without a bound, rather than H.
        distance: bool = false,
    }
}

impl Loss for ProbIou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        // √(1 − e^−3/2).
        case(
            "its width aside",
            &[2., 0., 2., 1., 0.],
            &[0., 0., 2., 1., 0.],
            0.881_402_200_956_844_7,
        ),
        case("its width aside: the distance", &[2., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.], 1.5)
            .with(&[("distance", 1.0)]),
        // √(1 − 4/5).
        case(
            "twice as large",
            &[0., 0., 2., 2., 0.],
            &[0., 0., 1., 1., 0.4],
            0.447_213_595_499_957_9,
        ),
        // √(1 − 3/5).
        case("a cross", &[0., 0., 3., 1., 0.5], &[0., 0., 1., 3., 0.5], 0.632_455_532_033_675_9),
        // Variances of 1 from a floor of 1: 1/8 · 8.
        case("points with a floor", &[2., 2., 0., 0., 0.], &[0., 0., 0., 0., 0.], 1.0)
            .with(&[("distance", 1.0), ("floor", 1.0)]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let with_floor = |side: S| {
            let side = side.relu();
            if self.floor == 0.0 { side } else { (side.square() + lit(12.0 * self.floor)).sqrt() }
        };
        let grown = |it: Rotated<S>| Rotated { w: with_floor(it.w), h: with_floor(it.h), ..it };
        let distance = Gaussians::new(grown(pred), grown(target)).bhattacharyya(1.0 / 12.0);
        if self.distance { distance } else { (-(-distance).exp_m1()).sqrt() }
    }
}
