use crate::prelude::*;

loss! {
    /// Yaw 3D GIoU loss: the yaw 3D IoU loss, plus the part of a box around both that is empty.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + (|C| − |A∪B|) / |C|
    /// ```
    ///
    /// where A is the prediction, B the target, C the smallest box along the sides of B that holds both, or, with `hull`, the one
    /// over the convex hull of both from above, and |·| a volume.
    ///
    /// Disjoint boxes attract each other, which they do not under the yaw 3D IoU loss.
    ///
    /// # Gradient
    ///
    /// That of the yaw 3D IoU loss, and that of C, which an empty prediction has alone. Where two faces meet, the slope is the mean
    /// of both sides; identical boxes have slope 0. The convex hull has a kink in the angle where sides are parallel, and
    /// slopes of identical boxes are 0 up to rounding. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// Which shape encloses both is a choice: see the rotated GIoU loss. lilanxiao's Rotated_IoU takes the
    /// smallest rectangle at any angle times the common height. Limits are those of the [yaw 3D IoU loss](super::YawIou3d).
    ///
    /// # References
    ///
    /// Zhou, Fang, Song, Guan, Yin, Dai, Yang, *IoU Loss for 2D/3D Object Detection*, 3DV 2019.
    /// <https://arxiv.org/abs/1908.03851>
    "yaw_giou3d", "Yaw GIoU 3D" => pub struct YawGiou3d: Formula {
        /// Whether C stands on the convex hull of both boxes rather than on the rectangle along the target: five times the work.
        hull: bool = false,
    }
}

impl Loss for YawGiou3d {
    type Pred = YawBox;
    type Target = YawBox;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 5., 2., 1., 4., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.0),
        case("on top", &[0., 0., 2., 2., 1., 2., 0.7], &[0., 0., 0., 2., 1., 2., 0.7], 1.0),
        case(
            "above, by its height",
            &[0., 0., 4., 2., 1., 2., 0.],
            &[0., 0., 0., 2., 1., 2., 0.],
            4.0 / 3.0,
        ),
        case("share an edge", &[0., 0., 0., 1., 1., 1., 0.], &[0., 1., 1., 1., 1., 1., 0.], 1.5),
        case("a point aside", &[1.5, 0., 0., 0., 0., 0., 1.], &[0., 0., 0., 1., 1., 1., 0.], 1.5),
        case("around a point", &[0., 0., 0., 1., 1., 1., 0.3], &[0., 0., 0., 0., 0., 0., 0.3], 1.0),
    ];

    fn eval<S: Scalar>(&self, pred: Yaw<S>, target: Yaw<S>) -> S {
        let seen = pred.seen_from(target);
        let (overlap, union) = seen.overlap_and_union();
        let hull = seen.hull_volume(self.hull);
        lit(1.0) - overlap.safe_div(union) + (hull - union).safe_div(hull)
    }
}
