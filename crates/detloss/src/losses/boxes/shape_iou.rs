use crate::prelude::*;

loss! {
    /// Shape-IoU loss: the DIoU loss, plus the shape, with both weighted by the shape of the target.
    ///
    /// ```text
    /// L = 1 − IoU + (hh dx² + ww dy²) / c² + ((1 − exp(−hh ωw))⁴ + (1 − exp(−ww ωh))⁴) / 2,
    /// ww = 2 Wˢ / (Wˢ + Hˢ),   hh = 2 Hˢ / (Wˢ + Hˢ)
    /// ```
    ///
    /// where IoU is that of prediction and target, (dx, dy) leads from one centre to the other, c is the diagonal of the
    /// smallest box that holds both, ωw = |w − W| / max(w, W) compares the widths, ωh the heights, W and H are the sides of
    /// the target and s is the parameter scale.
    ///
    /// An error along the short side of an object costs more overlap than one along its long side, so it weighs more here,
    /// the more so the larger s is. With s = 0 both weights are 1, and what is left is the DIoU loss with the shape cost of
    /// SIoU. It adds one number to tune per data set: the paper finds s between 0 and 1 or a little more, larger for small
    /// objects.
    ///
    /// # Gradient
    ///
    /// The weights depend on the target alone; nothing is detached. Disjoint boxes keep distance and shape, and so does an
    /// empty prediction. The fourth power makes the kinks of the shape invisible. Where two edges meet, the slope is the
    /// mean of both sides; identical boxes have slope 0. As under DIoU, the centre of an inverted prediction farther from
    /// the target's than c has distance 1, with slope 0.
    ///
    /// # Conventions
    ///
    /// s = 0 as in the authors' code, which adds 1e-7 to the denominators. A target without width has ww = 0 and hh = 2 for
    /// s above 0, a point has the weights 1. Not symmetric in prediction and target unless s = 0; with s above 0 values go
    /// up to 3.28.
    ///
    /// # References
    ///
    /// Zhang, Zhang, *Shape-IoU: More Accurate Metric considering Bounding Box Shape and Scale*, 2023.
    /// <https://arxiv.org/abs/2312.17663>
    "shape_iou", "Shape-IoU" => pub struct ShapeIou: Formula {
        /// How much the shape of the target counts. 0: not at all.
        scale: f64 = 0.0 in 0.0..=10.0,
    }
}

impl BoxLoss for ShapeIou {
    // Far boxes without a side in common: 2 + (1 − e⁻¹)⁴.
    const FACTS: Facts = Facts::range(0.0, 2.159_67)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], 2.0),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.2),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.25),
        case("share a corner with a square, scale 1", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.25)
            .with(&[("scale", 1.0)]),
        // 1/2, and half of (1 − e^(−1/2))⁴.
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.511_984_325_4),
        // The target is three times as wide as high: the weights are 3/2 and 1/2.
        case("side by side", &[3., 0., 6., 1.], &[0., 0., 3., 1.], 1.121_621_621_6)
            .with(&[("scale", 1.0)]),
        case("one above the other", &[0., 1., 3., 2.], &[0., 0., 3., 1.], 1.115_384_615_4)
            .with(&[("scale", 1.0)]),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let [ww, hh] = self.weights(target);
        let [dx, dy] = pred.center_offset(target);
        let (dx_squared, dy_squared) = (dx.square(), dy.square());
        let [width, height] = pred.hull(target).extent_squared();
        let diagonal = width + height;
        let weighted = (hh * dx_squared + ww * dy_squared).safe_div(diagonal);
        let distance = part_of_hull(dx_squared + dy_squared, weighted, diagonal);
        let [w, h] = pred.relative_size_difference(target);
        let shape = (hh * -w).exp_m1().pow(4.0) + (ww * -h).exp_m1().pow(4.0);
        let iou_loss = lit(1.0) - terms.iou(pred, target, 0.0);
        iou_loss + terms.penalty(distance) + terms.penalty(shape * lit(0.5))
    }
}

impl ShapeIou {
    /// ww and hh.
    #[inline(always)]
    fn weights<S: Scalar>(&self, target: Xyxy<S>) -> [S; 2] {
        if self.scale == 0.0 {
            return [target.x1.lit(1.0); 2];
        }
        // 1 / (1 + (H / W)ˢ): the powers alone may be too large for f32.
        let log_odds = (target.width().ln() - target.height().ln()) * lit(self.scale);
        [log_odds.sigmoid() * lit(2.0), (-log_odds).sigmoid() * lit(2.0)]
    }
}
