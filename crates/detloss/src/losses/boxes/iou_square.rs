use crate::prelude::*;

loss! {
    /// Squared IoU loss: the IoU loss with the square of the IoU, steep where the overlap is large.
    ///
    /// ```text
    /// L = 1 − (|A∩B| / |A∪B|)²
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// It is the opposite of the logarithm: it spends its strength on boxes that fit well already, for the sake of the
    /// metrics at a high IoU. Boxes that do not overlap do not move, and boxes that hardly overlap move slowly.
    ///
    /// # Gradient
    ///
    /// The gradient of the linear IoU loss times 2 IoU. 0 for disjoint and touching boxes and for an empty or inverted
    /// prediction. Where two edges meet, the slope is the mean of both sides; identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// Without an epsilon. Same as `mode='square'` in MMDetection and as the IoU loss of YOLOX and of PaddleDetection, which
    /// weighs it by 2.5.
    ///
    /// # References
    ///
    /// Ge, Liu, Wang, Li, Sun, *YOLOX: Exceeding YOLO Series in 2021*, 2021, code.
    /// <https://arxiv.org/abs/2107.08430>
    "iou_square", "IoU (square)" => pub struct IouSquare: Formula {}
}

impl BoxLoss for IouSquare {
    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.9375),
        case("half overlapping", &[0., 0., 2., 1.], &[1., 0., 3., 1.], 8.0 / 9.0),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.0),
        case("far apart", &[0., 0., 1., 1.], &[8., 8., 9., 9.], 1.0),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        lit(1.0) - terms.iou(pred, target, 0.0).square()
    }
}
