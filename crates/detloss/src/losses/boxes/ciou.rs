use std::f64::consts::PI;

use crate::prelude::*;

loss! {
    /// Complete IoU loss: the DIoU loss, plus a penalty for the wrong aspect ratio.
    ///
    /// ```text
    /// L = 1 − IoU + ρ² / c² + α v,   v = 4/π² (atan W/H − atan w/h)²,   α = v / (1 − IoU + v), or 0 where IoU < gate
    /// ```
    ///
    /// where IoU is that of prediction and target, ρ the distance between their centres, c the diagonal of the smallest box
    /// that holds both, w and h the sides of the prediction, W and H those of the target.
    ///
    /// It brings overlap, centre and shape to the target together, and is the usual choice of the YOLO family. The shape
    /// counts the more the better the boxes overlap. v sees the ratio of the sides only: a box of the right shape and the
    /// wrong size has v = 0, which is what the EIoU loss repairs.
    ///
    /// # Gradient
    ///
    /// α is detached, as in the paper and in every library but Keras. The slope of v grows like 1/(w² + h²), which the
    /// paper replaces by 1 and no library does. Disjoint boxes keep the last two terms. For a prediction without width and
    /// height, v has slope 0. Where two edges meet, the slope is the mean of both sides; identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// Without an epsilon unless `eps` is set (torchvision: 1e-7); α is 0 where it would be 0/0. The gate is 0 in the first paper, torchvision, Ultralytics and
    /// detectron2, and 0.5 in the second paper; MMDetection asks for an IoU above 0.5, not just reaching it. The angles are
    /// those of the points (H, W) and (h, w), so that a side of 0 is no division by 0: there torchvision's gradient is NaN,
    /// and MMDetection's value is NaN for some identical boxes.
    ///
    /// # References
    ///
    /// Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI
    /// 2020, eq. 8 to 11. <https://arxiv.org/abs/1911.08287>
    ///
    /// Zheng, Wang, Ren, Liu, Ye, Hu, Zuo, *Enhancing Geometric Factors in Model Learning and Inference for Object Detection
    /// and Instance Segmentation*, IEEE Transactions on Cybernetics 2021. <https://arxiv.org/abs/2005.03572>
    "ciou", "CIoU" => pub struct Ciou: Formula {
        /// The aspect ratio counts from this IoU on. 0: always. 0.5: as in the second paper.
        gate: f64 = 0.0 in 0.0..=1.0,
        /// Added to every denominator that is not 0, to compute what a library with an epsilon computes. At 0 a perfect
        /// prediction costs exactly 0 down to sides of 1.5e-11; else more, the smaller it is.
        eps: f64 = 0.0 in 0.0..=0.01,
    }
}

impl BoxLoss for Ciou {
    // α v ≤ 1/2 where the boxes do not overlap: v is at most 1.
    const FACTS: Facts =
        Facts::range(0.0, 2.5).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("same shape inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.8125),
        case("half the width", &[0., -1., 1., 1.], &[-1., -1., 1., 1.], 0.534_498_129_298_557),
        case("half the width, below the gate", &[0., -1., 1., 1.], &[-1., -1., 1., 1.], 0.53125)
            .with(&[("gate", 0.6)]),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.2),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.25),
        case("upright on lying segment", &[0., 0., 0., 1.], &[0., 0., 1., 0.], 1.75),
        case(
            "far from the origin",
            &[5e5, 4.5e6, 500_002., 4_500_002.],
            &[5e5, 4_500_000.5, 500_002., 4_500_002.],
            0.258_070_443_465_325_14,
        ),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let iou = pred.iou(target, self.eps);
        let turn = target.width().atan2(target.height()) - pred.width().atan2(pred.height());
        let scale = turn.lit(4.0 / (PI * PI));
        let v = turn.square() * scale;
        let alpha = v.safe_div(lit(1.0) - iou + v + lit(self.eps)).detach();
        let gated = S::if_lt(iou, iou.lit(self.gate), iou.lit(0.0), alpha);
        let distance = pred.center_distance_ratio(target, self.eps);
        let diou_loss = lit(1.0) - terms.iou(pred, target, self.eps) + terms.penalty(distance);
        // α v, with the constants in one place.
        terms.add_penalty(diou_loss, gated * scale, turn.square())
    }
}
