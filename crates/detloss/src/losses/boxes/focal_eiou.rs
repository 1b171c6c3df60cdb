use crate::prelude::*;

loss! {
    /// Focal EIoU loss: the EIoU loss, weighted by a power of the IoU so that good boxes count more.
    ///
    /// ```text
    /// L = IoU^γ · L_EIoU
    /// ```
    ///
    /// where IoU is that of prediction and target, L_EIoU the EIoU loss of both and γ the parameter gamma.
    ///
    /// Most anchors overlap their target only a little, and together they drown the few that fit well; the weight turns them
    /// down. Mind the direction: unlike the focal loss of classification it favours the easy examples. Boxes that do not
    /// overlap cost nothing and never move, so it needs anchors that overlap, or another loss to begin with.
    ///
    /// # Gradient
    ///
    /// IoU^γ times that of the EIoU loss: the weight is detached, so that nothing is gained by losing overlap. With
    /// `detach` = 0 the product rule adds γ IoU^(γ−1) L_EIoU times the slope of the IoU, which is steep where the IoU is
    /// small. 0 for disjoint and touching boxes and for an empty or inverted prediction. Where two edges meet, the slope is
    /// the mean of both sides; identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// γ = 0.5 as in the paper. Detached as in most ports; the paper calls the factor a weight. A weight of (1 − IoU)^γ, as
    /// some blogs have it, is another loss. To divide by the sum of the weights, give IoU^γ as weights of an EIoU batch.
    ///
    /// # References
    ///
    /// Zhang, Ren, Zhang, Jia, Wang, Tan, *Focal and Efficient IOU Loss for Accurate Bounding Box Regression*, Neurocomputing
    /// 2022. <https://arxiv.org/abs/2101.08158>
    "focal_eiou", "Focal-EIoU" => pub struct FocalEiou: Formula {
        /// How strongly boxes of little overlap are turned down. 0 is the EIoU loss.
        gamma: f64 = 0.5 in 0.0..=10.0,
        /// Whether the weight is detached: a constant for the gradient.
        detach: bool = true,
    }
}

impl BoxLoss for FocalEiou {
    // The supremum, found by search: a flat target crossed by an upright box of 0.32 of its width.
    const FACTS: Facts =
        Facts::range(0.0, 0.811).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.65625),
        case("quarter inside, gamma 1", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 0.328125)
            .with(&[("gamma", 1.0)]),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 0.0),
        case("far apart", &[0., 0., 1., 1.], &[8., 8., 9., 9.], 0.0),
        case(
            "far from the origin",
            &[5e5, 4.5e6, 500_002., 4_500_002.],
            &[5e5, 4_500_000.5, 500_002., 4_500_002.],
            0.277_398_762_149_703,
        ),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let iou = pred.iou(target, 0.0);
        let distance = pred.center_distance_ratio(target, 0.0);
        let [width, height] = pred.size_difference_ratio(target);
        let penalties = terms.penalty(distance) + (terms.penalty(width) + terms.penalty(height));
        let eiou_loss = lit(1.0) - terms.iou(pred, target, 0.0) + penalties;
        focal_weight(iou, self.gamma, self.detach) * eiou_loss
    }
}
