use crate::prelude::*;

loss! {
    /// SIoU loss: the IoU loss, plus the distance and the direction of the centres, plus the shape.
    ///
    /// ```text
    /// L = 1 − IoU + (Δ + Ω) / 2,   with   Λ = 2 |dx dy| / (dx² + dy²),
    /// Δ = 2 − exp(−(2 − Λ) dx² / Cw²) − exp(−(2 − Λ) dy² / Ch²),   Ω = (1 − exp(−ωw))^θ + (1 − exp(−ωh))^θ
    /// ```
    ///
    /// where IoU is that of prediction and target, (dx, dy) leads from the target's centre to that of the prediction, Cw and
    /// Ch are the sides of the smallest box that holds both, ωw = |w − W| / max(w, W) compares the widths, ωh the heights,
    /// and θ is the parameter theta. Λ, the angle cost, is 0 for centres in a row or in a column and 1 on the diagonal.
    ///
    /// It is common in detectors of the YOLO family. Distance and shape have bounds, so that far boxes do not drown the
    /// others. Mind what the angle does: the paper wants it to lead the prediction to the nearest axis first, but where the
    /// centres are aligned the distance costs most, and a box that moves aside gets cheaper. DIoU and EIoU do without that.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. Where the centres are aligned in one axis only, Λ has a kink, whose mean slope is 0: such a box
    /// is not led away. The power makes the kinks of Ω invisible. Disjoint boxes keep Δ and Ω. Where two edges meet, the
    /// slope is the mean of both sides; identical boxes have slope 0. Where the centre of an inverted prediction lies
    /// outside of the hull, its distance counts as the hull's side, with slope 0.
    ///
    /// # Conventions
    ///
    /// θ = 4; the paper tries 2 to 6. The paper writes Λ as 1 − 2 sin²(arcsin(·) − π/4); this is the same without angles.
    /// The authors published no code. MMDetection's default `neg_gamma=False` has the wrong sign in the exponents of Δ,
    /// which rewards distance; its `neg_gamma=True`, MMYOLO and PaddleDetection have the right one. MMDetection and MMYOLO
    /// cut the loss off at 2, with no gradient beyond. Ports of YOLO add 1e-7 to dx and dy, which leaves one side of the
    /// kink as gradient of aligned boxes.
    ///
    /// # References
    ///
    /// Gevorgyan, *SIoU Loss: More Powerful Learning for Bounding Box Regression*, 2022. <https://arxiv.org/abs/2205.12740>
    "siou", "SIoU" => pub struct Siou: Formula {
        /// How little small differences in shape count.
        theta: f64 = 4.0 in 2.0..=6.0,
    }
}

impl BoxLoss for Siou {
    // Far, thin and aligned boxes: 2 − e⁻² + (1 − e⁻¹)⁴.
    const FACTS: Facts = Facts::range(0.0, 2.024_33)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // 1/2, and half of 1 − e^(−1/8) and of (1 − e^(−1/2))⁴.
        case("half the width", &[0., 0., 1., 1.], &[0., 0., 2., 1.], 0.570_735_874_1),
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.511_984_325_4),
        case("same centre, theta 2", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.577_409_060_9)
            .with(&[("theta", 2.0)]),
        // 2 − e^(−1/4): on the diagonal.
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.221_199_216_9),
        // 2 − e^(−1).
        case("two points", &[0., 0., 0., 0.], &[1., 1., 1., 1.], 1.632_120_558_8),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let [dx, dy] = pred.center_offset(target);
        let angle_cost = ((dx * dy).abs() * lit(2.0)).safe_div(dx.square() + dy.square());
        let [width, height] = pred.hull(target).extent_squared();
        let exponent = angle_cost - lit(2.0);
        let distance_cost =
            distance_cost(exponent, dx, width) + distance_cost(exponent, dy, height);
        let [w, h] = pred.relative_size_difference(target);
        let shape_cost = one_minus_exp(-w).pow(self.theta) + one_minus_exp(-h).pow(self.theta);
        let iou_loss = lit(1.0) - terms.iou(pred, target, 0.0);
        iou_loss + terms.penalty((distance_cost + shape_cost) * lit(0.5))
    }
}

/// The cost of an offset between the centres, by the square of the hull's side.
#[inline(always)]
fn distance_cost<S: Scalar>(exponent: S, offset: S, side_squared: S) -> S {
    let squared = offset.square();
    let part = part_of_hull(squared, squared.safe_div(side_squared), side_squared);
    one_minus_exp(exponent * part)
}

#[inline(always)]
fn one_minus_exp<S: Scalar>(exponent: S) -> S {
    -exponent.exp_m1()
}
