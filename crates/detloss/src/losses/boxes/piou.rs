use crate::prelude::*;

loss! {
    /// PIoU loss: the IoU loss, plus the distance of the edges in units of the target's size.
    ///
    /// ```text
    /// L = 1 − IoU + 1 − exp(−P²),   P = ((|x1 − X1| + |x2 − X2|) / W + (|y1 − Y1| + |y2 − Y2|) / H) / 4
    /// ```
    ///
    /// where IoU is that of prediction and target, (x1, y1, x2, y2) are the edges of the prediction, (X1, Y1, X2, Y2) those
    /// of the target, and W and H the target's sides.
    ///
    /// A penalty over the hull, as in DIoU, falls also when the prediction grows and the hull with it. Here the unit is the
    /// target, which does not move: the only way to pay less is to bring the edges closer. It has a bound, and almost no
    /// gradient for boxes more than a few sizes away.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. Disjoint boxes keep the penalty, and so does an empty or inverted prediction, whose edges are
    /// led to theirs. Where two edges meet, the slope is the mean of both sides; identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// A target without width or height has P = 0 if the edges agree in that direction, else P is as good as infinite, with
    /// slope 0; the authors' code divides by 0 there. Their code sorts the edges of an inverted prediction first.
    ///
    /// # References
    ///
    /// Liu, Wang, Li, Zhao, Zhao, Ma, *Powerful-IoU: More straightforward and faster bounding box regression loss with a
    /// nonmonotonic focusing mechanism*, Neural Networks 170, 2024. <https://doi.org/10.1016/j.neunet.2023.11.041>
    "piou", "PIoU" => pub struct Piou: Formula {}
}

impl BoxLoss for Piou {
    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // P = 1/2: two edges are off by a side of the target.
        case("quarter inside", &[-1., -1., 1., 1.], &[0., 0., 1., 1.], 0.971_199_216_9),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.221_199_216_9),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.632_120_558_8),
        case("target without width", &[0., 0., 1., 1.], &[0., 0., 0., 1.], 2.0),
        case("two points", &[0., 0., 0., 0.], &[0., 0., 0., 0.], 1.0),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let error = pred.relative_edge_error(target);
        let penalty = -(-error.square()).exp_m1();
        lit(1.0) - terms.iou(pred, target, 0.0) + terms.penalty(penalty)
    }
}
