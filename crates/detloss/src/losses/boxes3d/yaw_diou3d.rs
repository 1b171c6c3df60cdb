use crate::prelude::*;

loss! {
    /// Yaw 3D DIoU loss: the yaw 3D IoU loss, plus the distance between the centres.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + ρ² / c²
    /// ```
    ///
    /// where A is the prediction, B the target, ρ the distance between their centres and c the diagonal in space of the smallest box
    /// along the sides of B that holds both.
    ///
    /// Disjoint boxes move straight towards each other, and where one box holds the other the centres still meet. The angle
    /// has a term of its own only by way of the IoU and of c: disjoint boxes turn so that c grows.
    ///
    /// # Gradient
    ///
    /// That of the yaw 3D IoU loss, and that of ρ² / c², which disjoint boxes and an empty prediction have alone. Where two
    /// faces meet, the slope is the mean of both sides; identical boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// The box is the one of the [yaw 3D GIoU loss](super::YawGiou3d); lilanxiao's Rotated_IoU takes the smallest rectangle at any
    /// angle by default. Limits are those of the [yaw 3D IoU loss](super::YawIou3d).
    ///
    /// # References
    ///
    /// Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI
    /// 2020, eq. 7. <https://arxiv.org/abs/1911.08287>
    "yaw_diou3d", "Yaw DIoU 3D" => pub struct YawDiou3d: Formula {}
}

impl Loss for YawDiou3d {
    type Pred = YawBox;
    type Target = YawBox;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 5., 2., 1., 4., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.0),
        case(
            "share a face",
            &[0., 0., 0., 1., 1., 1., 0.],
            &[1., 0., 0., 1., 1., 1., 0.],
            7.0 / 6.0,
        ),
        case(
            "an eighth inside",
            &[0., 0., 0., 1., 1., 1., 0.],
            &[0.5, 0.5, 0.5, 2., 2., 2., 0.],
            0.9375,
        ),
        case(
            "a cross about one centre",
            &[0., 0., 0., 4., 1., 3., 0.5],
            &[0., 0., 0., 1., 4., 3., 0.5],
            6.0 / 7.0,
        ),
        case("two points", &[0., 0., 0., 0., 0., 0., 0.2], &[1., 2., 2., 0., 0., 0., 1.], 2.0),
    ];

    fn eval<S: Scalar>(&self, pred: Yaw<S>, target: Yaw<S>) -> S {
        let seen = pred.seen_from(target);
        lit(1.0) - seen.iou() + seen.center_distance_ratio()
    }
}
