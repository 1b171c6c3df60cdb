use crate::prelude::*;

loss! {
    /// Squared rotated IoU loss: 1 − the square of the rotated IoU, steep where the overlap is large.
    ///
    /// ```text
    /// L = 1 − (|A∩B| / |A∪B|)²
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// It is the opposite of the logarithm: it spends its strength on boxes that fit well already, for the sake of the
    /// metrics at a high IoU. Boxes that do not overlap do not move, and boxes that hardly overlap move slowly. The overlap is
    /// the exact one of the [rotated IoU loss](super::RotatedIou).
    ///
    /// # Gradient
    ///
    /// The gradient of the rotated IoU loss times 2 IoU. 0 for disjoint and touching boxes and for an empty prediction. Where two
    /// edges meet, the slope is the mean of both sides; identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// Without an epsilon. Same as `mode='square'` of `RotatedIoULoss` in MMRotate, which floors the IoU at 1e-6. Angles and empty
    /// boxes are those of the rotated IoU loss.
    ///
    /// # References
    ///
    /// Ge, Liu, Wang, Li, Sun, *YOLOX: Exceeding YOLO Series in 2021*, 2021, code.
    /// <https://arxiv.org/abs/2107.08430>
    "rotated_iou_square", "Rotated IoU (square)" => pub struct RotatedIouSquare: Formula {}
}

impl Loss for RotatedIouSquare {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("half overlapping", &[0., 0., 2., 1., 0.], &[1., 0., 2., 1., 0.], 8.0 / 9.0),
        case("share an edge", &[0., 0., 1., 1., 0.], &[1., 0., 1., 1., 0.], 1.0),
        case("inside, turned", &[0., 0., 1., 1., 0.4], &[0., 0., 4., 2., 0.], 0.984_375),
        case("a cross", &[0., 0., 4., 1., 0.5], &[0., 0., 1., 4., 0.5], 48.0 / 49.0),
        case("far apart", &[0., 0., 1., 1., 0.1], &[8., 8., 1., 1., 0.2], 1.0),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        lit(1.0) - pred.seen_from(target).iou().square()
    }
}
