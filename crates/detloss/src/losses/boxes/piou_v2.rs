use crate::prelude::*;

loss! {
    /// PIoU v2 loss: the PIoU loss, weighted so that boxes of medium quality count most.
    ///
    /// ```text
    /// L = 3 x exp(−x²) · L_PIoU,   x = λ exp(−P)
    /// ```
    ///
    /// where L_PIoU is the PIoU loss, P its distance of the edges in units of the target's size and λ the parameter lambd.
    ///
    /// The weight is 0.72 for a perfect box, rises to 1.29 at P = 0.61 and falls to 0 far away, where a box is perhaps no
    /// match at all. The value falls there too, from 1.868 at P = 0.94: a low value does not mean a good box.
    ///
    /// # Gradient
    ///
    /// The weight times the gradient of the PIoU loss: the weight is detached. With `detach` = 0 it is not, as in the
    /// authors' release, and its own slope has the wrong sign beyond P = 0.61; for boxes that do not overlap it wins beyond
    /// P = 0.94, and a descent pushes them farther apart. Where two edges meet, the slope is the mean of both sides;
    /// identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// λ = 1.3 as in the authors' code. Their release is `detach` = 0; the values are the same. A target without width or
    /// height costs 0 unless the edges agree in that direction, see the PIoU loss.
    ///
    /// # References
    ///
    /// Liu, Wang, Li, Zhao, Zhao, Ma, *Powerful-IoU: More straightforward and faster bounding box regression loss with a
    /// nonmonotonic focusing mechanism*, Neural Networks 170, 2024. <https://doi.org/10.1016/j.neunet.2023.11.041>
    "piou_v2", "PIoU v2" => pub struct PiouV2: Formula {
        /// The larger, the farther away are the boxes that count most. lambda is a keyword of Python; PyTorch writes it so.
        lambd: f64 = 1.3 in 0.1..=10.0,
        /// Whether the weight is detached: a constant for the gradient.
        detach: bool = true,
    }
}

impl BoxLoss for PiouV2 {
    // Without overlap, at P = 0.943.
    const FACTS: Facts =
        Facts::range(0.0, 1.867_82).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // P = 1/2.
        case("quarter inside", &[-1., -1., 1., 1.], &[0., 0., 1., 1.], 1.233_723_253_6),
        // P = 1.
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.862_910_500_8),
        case("share a corner, lambda 1", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.573_271_376_9)
            .with(&[("lambd", 1.0)]),
        // P = 4.
        case("far apart", &[0., 0., 1., 1.], &[8., 0., 9., 1.], 0.142_781_005_2),
        case("target without width", &[0., 0., 1., 1.], &[0., 0., 0., 1.], 0.0),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let error = pred.relative_edge_error(target);
        let x = (-error).exp() * lit(self.lambd);
        let weight = x * (-x.square()).exp() * lit(3.0);
        let weight = if self.detach { weight.detach() } else { weight };
        let penalty = -(-error.square()).exp_m1();
        weight * (lit(1.0) - terms.iou(pred, target, 0.0) + terms.penalty(penalty))
    }
}
