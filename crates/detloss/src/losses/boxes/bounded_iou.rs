use crate::prelude::*;

loss! {
    /// Bounded IoU loss: a bound of the IoU for each of centre and size, held against 1 by smooth L1.
    ///
    /// ```text
    /// L = s(1 − Bx) + s(1 − By) + s(1 − Bw) + s(1 − Bh),   s(t) = t² / (2β)  where t < β,  else t − β/2,
    /// Bx = max(0, (W − 2 |dx|) / (W + 2 |dx|)),   Bw = min(w/W, W/w)
    /// ```
    ///
    /// where (dx, dy) leads from the target's centre to that of the prediction, w and h are the sides of the prediction, W
    /// and H those of the target, By and Bh are as Bx and Bw along the other axis, and β is the parameter beta.
    ///
    /// Each bound is the best IoU that a box can have with this one number wrong. It takes centre and size apart, as the L1
    /// losses of coordinates do, but counts in IoU. Where the centre is off by more than half the size of the target, its
    /// terms are constant: it refines boxes that are nearly right.
    ///
    /// # Gradient
    ///
    /// Nothing is detached: the bounds are those of a fixed target. Near the target it is quadratic, so that equal sides
    /// have no kink; identical boxes have slope 0. At |dx| = W/2 the slope is the mean of both sides, beyond it is 0. An
    /// empty or inverted prediction has the slope of its centre only.
    ///
    /// # Conventions
    ///
    /// β = 0.2 as in MMDetection, which keeps the four terms apart instead of adding them up: its mean is a quarter of this
    /// one's, its weights are four per box. It adds 1e-3 to the denominators, as `eps` = 0.001 does here, so that identical
    /// unit boxes cost 1e-5. 0/0 counts as 1, since a bound is reached: a target without width costs nothing in x and w if
    /// the prediction has its centre and no width.
    ///
    /// # References
    ///
    /// Tychsen-Smith, Petersson, *Improving Object Localization with Fitness NMS and Bounded IoU Loss*, CVPR 2018.
    /// <https://arxiv.org/abs/1711.00164>
    "bounded_iou", "Bounded IoU" => pub struct BoundedIou: Formula {
        /// The loss of IoU from which on a term is linear.
        beta: f64 = 0.2 in 0.0..=1.0,
        /// Added to every denominator that is not 0, to compute what a library with an epsilon computes. At 0 a perfect
        /// prediction costs exactly 0.
        eps: f64 = 0.0 in 0.0..=0.01,
    }
}

impl BoxLoss for BoundedIou {
    // Four terms of 1 − β/2.
    const FACTS: Facts =
        Facts::range(0.0, 3.6).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // dx = 1: one term, of 1 − 6/10.
        case("moved by an eighth", &[1., 0., 9., 8.], &[0., 0., 8., 8.], 0.3),
        // Two terms, of 1 − 8/9 each, below beta.
        case("nearly the size", &[0., 0., 8., 8.], &[-0.5, -0.5, 8.5, 8.5], 0.061_728_395_1),
        case("a quarter, from the corner", &[0., 0., 1., 1.], &[0., 0., 2., 2.], 1.933_333_333_3),
        case("far apart", &[0., 0., 1., 1.], &[5., 5., 6., 6.], 1.8),
        case("a point far away", &[0., 0., 0., 0.], &[5., 5., 6., 6.], 3.6),
        case("same box, with epsilon", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.000_009_980_03)
            .with(&[("eps", 0.001)]),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let [dx, dy] = pred.center_offset(target);
        let (width, height) = (target.width(), target.height());
        terms.penalty(self.of_offset(dx, width))
            + terms.penalty(self.of_offset(dy, height))
            + terms.penalty(self.of_size(pred.width(), width))
            + terms.penalty(self.of_size(pred.height(), height))
    }
}

impl BoundedIou {
    /// The term of an offset of the centre, for a target of this side.
    #[inline(always)]
    fn of_offset<S: Scalar>(&self, offset: S, side: S) -> S {
        let double = offset.abs() * lit(2.0);
        // 1 − B without the difference, which would lose the digits of a small one.
        let missing = ratio(double + double + lit(self.eps), side + double, self.eps);
        missing.min(missing.lit(1.0)).smooth_l1(self.beta)
    }

    /// The term of a side.
    #[inline(always)]
    fn of_size<S: Scalar>(&self, pred: S, target: S) -> S {
        let missing = ratio((pred - target).abs() + lit(self.eps), pred.max(target), self.eps);
        missing.smooth_l1(self.beta)
    }
}
