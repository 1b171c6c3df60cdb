use crate::prelude::*;

loss! {
    /// Generalized IoU loss: the IoU loss, plus a pull towards the smallest box around both.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + (|C| − |A∪B|) / |C|
    /// ```
    ///
    /// where A is the prediction, B the target and C the smallest box that holds both.
    ///
    /// Boxes that do not overlap still attract each other, which the IoU loss does not do. Where one box holds the other, it
    /// is the IoU loss.
    ///
    /// # Gradient
    ///
    /// Smooth except where two edges meet; there the slope is the mean of both sides, so identical boxes have slope 0. An
    /// empty or inverted prediction has area 0 and is drawn by the hull alone.
    ///
    /// # Conventions
    ///
    /// The paper's definition, without an epsilon unless `eps` is set. torchvision and fvcore add 1e-7 to both denominators,
    /// PaddleDetection 1e-10; MMDetection floors them at 1e-6. An inverted prediction earns nothing here; in torchvision, MMDetection and
    /// Ultralytics its negative sides make a positive area.
    ///
    /// # References
    ///
    /// Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, *Generalized Intersection over Union*, CVPR 2019, eq. 3.
    /// <https://arxiv.org/abs/1902.09630>
    "giou", "GIoU" => pub struct Giou: Formula {
        /// Added to every denominator that is not 0, to compute what a library with an epsilon computes. At 0 a perfect
        /// prediction costs exactly 0 down to sides of 1.5e-11; else more, the smaller it is.
        eps: f64 = 0.0 in 0.0..=0.01,
    }
}

impl BoxLoss for Giou {
    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.75),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.0),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.5),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let (_, union) = pred.overlap_and_union(target);
        let hull = pred.hull(target).area();
        let iou_loss = lit(1.0) - terms.iou(pred, target, self.eps);
        iou_loss + terms.penalty(ratio(hull - union, hull, self.eps))
    }
}
