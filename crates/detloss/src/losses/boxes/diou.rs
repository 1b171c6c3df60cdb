use crate::prelude::*;

loss! {
    /// Distance IoU loss: the IoU loss, plus the distance between the centres.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + ρ² / c²
    /// ```
    ///
    /// where A is the prediction, B the target, ρ the distance between their centres and c the diagonal of the smallest box
    /// that holds both.
    ///
    /// Boxes without overlap attract each other as they do under the GIoU loss, but directly: the GIoU loss first blows the
    /// prediction up until it touches the target. Where one box holds the other, the centres still move, which the GIoU loss
    /// does not do. Width and height have no term of their own: the CIoU and the EIoU loss add one.
    ///
    /// # Gradient
    ///
    /// Disjoint boxes have the gradient of ρ² / c² alone, and so has an empty or inverted prediction. Where two edges meet,
    /// the slope is the mean of both sides; identical boxes have slope 0. Nothing is detached. An inverted prediction whose
    /// centre lies farther from the target's than c costs 2, with slope 0.
    ///
    /// # Conventions
    ///
    /// The paper's definition, without an epsilon unless `eps` is set. torchvision adds 1e-7 to the denominators, MMDetection
    /// 1e-6, so that a perfect box of side 1e-4 costs 0.99 there.
    /// PaddleDetection adds 1e-10 to ρ² as well, and by default also the aspect term of the CIoU loss. The gradient written
    /// by hand in the authors' darknet is not the derivative of this formula.
    ///
    /// # References
    ///
    /// Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI
    /// 2020, eq. 7. <https://arxiv.org/abs/1911.08287>
    "diou", "DIoU" => pub struct Diou: Formula {
        /// Added to every denominator that is not 0, to compute what a library with an epsilon computes. At 0 a perfect
        /// prediction costs exactly 0 down to sides of 1.5e-11; else more, the smaller it is.
        eps: f64 = 0.0 in 0.0..=0.01,
    }
}

impl BoxLoss for Diou {
    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.8125),
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.5),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.2),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.25),
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], 2.0),
        case(
            "far from the origin",
            &[5e5, 4.5e6, 500_002., 4_500_002.],
            &[5e5, 4_500_000.5, 500_002., 4_500_002.],
            0.2578125,
        ),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let iou_loss = lit(1.0) - terms.iou(pred, target, self.eps);
        iou_loss + terms.penalty(pred.center_distance_ratio(target, self.eps))
    }
}
