use std::f64::consts::PI;

use crate::prelude::*;

loss! {
    /// Complete IoU loss: the DIoU loss, plus a penalty for the wrong aspect ratio.
    "ciou", "CIoU" => pub struct Ciou: Formula {
        /// IoU from which on the aspect ratio counts.
        gate: f64 = 0.0 in 0.0..=1.0,
    }
}

impl Loss for Ciou {
    type Pred = Corners;
    type Target = Corners;

    const FACTS: Facts =
        Facts { range: (0.0, 2.0), zero_at_target: true, symmetric: true, scale_invariant: true, shift_invariant: true };

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>) -> S {
        let iou = pred.iou(target);
        let distance = pred.center_distance_squared(target).over(pred.hull(target).diagonal_squared());
        let angle = target.width().atan2(target.height()) - pred.width().atan2(pred.height());
        let v = angle.square() * lit(4.0 / (PI * PI));
        let alpha = v.over(lit(1.0) - iou + v).detach();
        let gated = S::if_lt(iou, iou.lit(self.gate), iou.lit(0.0), alpha);
        gated.mul_add(v, lit(1.0) - iou + distance)
    }
}
