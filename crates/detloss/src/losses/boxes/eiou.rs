use crate::prelude::*;

loss! {
    /// Efficient IoU loss: the DIoU loss, plus penalties for the wrong width and the wrong height.
    ///
    /// ```text
    /// L = 1 − IoU + ρ² / c² + (w − W)² / Cw² + (h − H)² / Ch²
    /// ```
    ///
    /// where IoU is that of prediction and target, ρ the distance between their centres, w and h the sides of the prediction,
    /// W and H those of the target, Cw and Ch those of the smallest box that holds both and c its diagonal.
    ///
    /// The aspect term of the CIoU loss cannot enlarge both sides or shrink both, and is 0 for every box of the right shape.
    /// Here each side is compared by itself. The penalties are not scaled down while the boxes are apart, so that far boxes
    /// are resized before they meet.
    ///
    /// # Gradient
    ///
    /// Disjoint boxes keep the last three terms, and so does an empty prediction; an inverted one has the slope of the hull
    /// and of ρ only. Where two edges meet, the slope is the mean of both sides; identical boxes have slope 0. Nothing is
    /// detached.
    ///
    /// # Conventions
    ///
    /// The paper's definition, without an epsilon. `EIoULoss` of MMDetection is another loss (extended IoU). Some blogs
    /// divide both differences by c² instead of Cw² and Ch².
    ///
    /// # References
    ///
    /// Zhang, Ren, Zhang, Jia, Wang, Tan, *Focal and Efficient IOU Loss for Accurate Bounding Box Regression*, Neurocomputing
    /// 2022. <https://arxiv.org/abs/2101.08158>
    "eiou", "EIoU" => pub struct Eiou: Formula {}
}

impl BoxLoss for Eiou {
    // An upright box does not pass 3.25 (a point on the target's corner); an inverted one far away costs 4.
    const FACTS: Facts =
        Facts::range(0.0, 4.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case("quarter inside", &[0., 0., 1., 1.], &[-1., -1., 1., 1.], 1.3125),
        case("half the width", &[0., -1., 1., 1.], &[-1., -1., 1., 1.], 0.78125),
        case("share an edge", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 1.2),
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.25),
        case("point on a corner", &[0., 0., 0., 0.], &[0., 0., 1., 1.], 3.25),
        case(
            "far from the origin",
            &[5e5, 4.5e6, 500_002., 4_500_002.],
            &[5e5, 4_500_000.5, 500_002., 4_500_002.],
            0.3203125,
        ),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let distance = pred.center_distance_ratio(target, 0.0);
        let [width, height] = pred.size_difference_ratio(target);
        let penalties = terms.penalty(distance) + (terms.penalty(width) + terms.penalty(height));
        lit(1.0) - terms.iou(pred, target, 0.0) + penalties
    }
}
