use crate::prelude::*;

loss! {
    /// Extended IoU loss: an IoU that goes on below 0 where the boxes part, held against 1 by smooth L1.
    ///
    /// ```text
    /// L = t² / (2s)  where t < s,  else t − s/2,   with  t = 1 − I / (|A| + |B| − I)
    /// I = (rx − lx)(ry − ly)  where the boxes overlap,   (rx − lx)(ry + ly)  where they are apart in x only,
    ///     (ry − ly)(rx + lx)  where they are apart in y only,   2 (rx ry − lx ly)  where they are apart in both
    /// ```
    ///
    /// where A is the prediction, B the target, lx the larger of both left edges, rx the smaller of both right edges, seen
    /// from the left edge of the smallest box that holds both, ly and ry the same from its top, and s is the parameter
    /// smooth_point.
    ///
    /// I is the intersection, and negative where there is none, the more so the farther apart the boxes are: they attract
    /// each other, and there is no seam where they meet. The smooth part lets the gradient vanish at the target, which that
    /// of 1 − IoU does not. MMDetection calls it EIoU; the EIoU loss is another one.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. Smooth except where two edges meet; there the slope is the mean of both sides, so identical
    /// boxes have slope 0. Disjoint boxes may grow towards each other rather than move. An inverted prediction is empty, and
    /// apart from the target in that direction.
    ///
    /// # Conventions
    ///
    /// s = 0.1 as in MMDetection, whose epsilon of 1e-7 in the union is left out. Two empty boxes at one place have t = 1.
    /// The hull's top left corner is part of the formula: turned upside down, two boxes without overlap cost something else,
    /// so that flipped images change the loss.
    ///
    /// # References
    ///
    /// Peng, Yu, *A Systematic IoU-Related Method: Beyond Simplified Regression for Better Localization*, IEEE Transactions
    /// on Image Processing 30, 2021. <https://arxiv.org/abs/2112.01793>
    "extended_iou", "Extended IoU" => pub struct ExtendedIou: Formula {
        /// The value of 1 − IoU from which on the loss is linear. 0: everywhere.
        smooth_point: f64 = 0.1 in 0.0..=1.0,
    }
}

impl BoxLoss for ExtendedIou {
    // Two points: t = 2.
    const FACTS: Facts =
        Facts::range(0.0, 1.95).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.7),
        case("nearly the same", &[0., 0., 10., 10.], &[0., 0., 10., 9.5], 0.0125),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 0.95),
        // I = −1 · 1, the union is 3.
        case("apart in x", &[0., 0., 1., 1.], &[2., 0., 3., 1.], 1.283_333_333_3),
        // I = 2 (1 · 1 − 2 · 2) = −6, the union is 8.
        case("apart in both", &[0., 0., 1., 1.], &[2., 2., 3., 3.], 1.7),
        // I = −2 · 2, the union is 11.
        case("apart in y", &[0., 0., 2., 3.], &[0.5, 5., 1.5, 6.], 1.313_636_363_6),
        case("two points", &[0., 0., 0., 0.], &[1., 1., 1., 1.], 1.95),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let (inside, hull) = (pred.intersection(target), pred.hull(target));
        let (across, down) = (inside.x2 - inside.x1, inside.y2 - inside.y1);
        // From the hull's corner to one edge and to the other. An inverted box may end before the hull begins.
        let sum_x = ((inside.x1 - hull.x1) + (inside.x2 - hull.x1)).relu();
        let sum_y = ((inside.y1 - hull.y1) + (inside.y2 - hull.y1)).relu();
        // The four cases in one: 2 (rx ry − lx ly) is the sum of the two before it.
        let apart = (-across).relu() * sum_y + (-down).relu() * sum_x;
        let overlap = across.relu() * down.relu() - apart;
        let union = pred.width().mul_add(pred.height(), target.area()) - overlap;
        terms.penalty((lit(1.0) - overlap.safe_div(union)).smooth_l1(self.smooth_point))
    }
}
