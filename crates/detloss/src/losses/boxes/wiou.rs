use std::f64::consts::E;

use crate::prelude::*;

loss! {
    /// WIoU loss: the IoU loss, weighted by how far apart the centres are.
    ///
    /// ```text
    /// L = exp(ρ² / c²) · (1 − IoU)
    /// ```
    ///
    /// where IoU is that of prediction and target, ρ the distance between their centres and c the diagonal of the smallest
    /// box that holds both, a constant for the gradient.
    ///
    /// The factor is between 1 and e. Unlike a penalty that is added, it counts for less the better the boxes overlap. This
    /// is version 1; versions [2](super::WiouV2) and [3](super::WiouV3) weight it further by the running mean of 1 − IoU.
    ///
    /// # Gradient
    ///
    /// exp(ρ² / c²) times that of 1 − IoU plus (1 − IoU) times that of ρ² over a fixed c²: c is detached, so that the hull
    /// does not grow to make the ratio small. Disjoint boxes have the second part alone: the prediction moves and keeps its
    /// size. Where two edges meet, the slope is the mean of both sides; identical boxes have slope 0. Where the centre of an
    /// inverted prediction is farther from the target's than c, the factor is e.
    ///
    /// # Conventions
    ///
    /// Two points of one place cost 1, where the authors' code is NaN. Many ports forget to detach c. The `EIoU` of the
    /// authors' repository compares centres once more instead of sizes: it is not the EIoU loss.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wiou", "WIoU" => pub struct Wiou: Formula {}
}

impl BoxLoss for Wiou {
    const FACTS: Facts =
        Facts::range(0.0, E).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.5),
        // 3/4 e^(1/16).
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.798_370_844_2),
        // e^(1/4).
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.284_025_416_7),
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], E),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        wise_weight(pred, target) * (lit(1.0) - terms.iou(pred, target, 0.0))
    }
}
