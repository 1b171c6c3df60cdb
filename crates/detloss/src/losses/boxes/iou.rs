use crate::prelude::*;

loss! {
    /// IoU loss: the part of the union that is not shared.
    "iou", "IoU" => pub struct Iou: Formula {}
}

impl Loss for Iou {
    type Pred = Corners;
    type Target = Corners;

    const FACTS: Facts =
        Facts { range: (0.0, 1.0), zero_at_target: true, symmetric: true, scale_invariant: true, shift_invariant: true };

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>) -> S {
        lit(1.0) - pred.iou(target)
    }
}
