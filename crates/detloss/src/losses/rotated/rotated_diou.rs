use crate::prelude::*;

loss! {
    /// Rotated DIoU loss: the rotated IoU loss, plus the distance between the centres.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + ρ² / c²
    /// ```
    ///
    /// where A is the prediction, B the target, ρ the distance between their centres and c the diagonal of the smallest
    /// rectangle along the sides of B that holds both.
    ///
    /// Disjoint boxes move straight towards each other, and where one box holds the other the centres still meet. The angle
    /// has a term of its own only by way of the IoU and of c: disjoint boxes turn so that c grows.
    ///
    /// # Gradient
    ///
    /// That of the rotated IoU loss, and that of ρ² / c², which disjoint boxes and an empty prediction have alone. Where two
    /// edges meet, the slope is the mean of both sides; identical boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// The rectangle is the one of the [rotated GIoU loss](super::RotatedGiou), so that the loss does not change when both
    /// boxes turn together. lilanxiao's Rotated_IoU takes the smallest rectangle at any angle by default. Between boxes along
    /// the axes of the image both are the DIoU loss of horizontal boxes. Without an epsilon.
    ///
    /// # References
    ///
    /// Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI
    /// 2020, eq. 7. <https://arxiv.org/abs/1911.08287>
    "rotated_diou", "Rotated DIoU" => pub struct RotatedDiou: Formula {}
}

impl Loss for RotatedDiou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("quarter inside", &[0.5, 0.5, 1., 1., 0.], &[0., 0., 2., 2., 0.], 0.8125),
        case("a cross about one centre", &[0., 0., 4., 1., 0.5], &[0., 0., 1., 4., 0.5], 6.0 / 7.0),
        case("share an edge", &[0., 0., 1., 1., 0.], &[1., 0., 1., 1., 0.], 1.2),
        case("two points", &[0., 0., 0., 0., 0.2], &[3., 4., 0., 0., 1.], 2.0),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let seen = pred.seen_from(target);
        lit(1.0) - seen.iou() + seen.center_distance_ratio()
    }
}
