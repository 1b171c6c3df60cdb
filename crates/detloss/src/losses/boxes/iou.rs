use crate::prelude::*;

loss! {
    /// IoU loss: 1 − intersection over union.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B|
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// It trains what is measured: losses on the four coordinates treat them as independent and depend on the size of the
    /// box, this one does neither. Boxes that do not overlap all cost 1, however far apart they are, and do not move: use
    /// the GIoU or the DIoU loss where that happens.
    ///
    /// # Gradient
    ///
    /// 0 for disjoint and touching boxes and for an empty or inverted prediction. A prediction inside the target grows, one
    /// around it shrinks. The kinks lie where two edges meet; there the slope is the mean of both sides, so identical boxes
    /// have slope 0.
    ///
    /// # Conventions
    ///
    /// Without an epsilon; the IoU of two empty boxes is 0. "IoU loss" means three things: this linear form (`mode='linear'`
    /// in MMDetection), the logarithm [`iou_log`](super::IouLog) (the default of MMDetection and KerasCV) and the square
    /// [`iou_square`](super::IouSquare) (the default of PaddleDetection).
    ///
    /// # References
    ///
    /// Zhou, Fang, Song, Guan, Yin, Dai, Yang, *IoU Loss for 2D/3D Object Detection*, 3DV 2019.
    /// <https://arxiv.org/abs/1908.03851>
    "iou", "IoU" => pub struct Iou: Formula {}
}

impl BoxLoss for Iou {
    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.75),
        case("half overlapping", &[0., 0., 2., 1.], &[1., 0., 3., 1.], 2.0 / 3.0),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.0),
        case("far apart", &[0., 0., 1., 1.], &[8., 8., 9., 9.], 1.0),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        lit(1.0) - terms.iou(pred, target, 0.0)
    }
}
