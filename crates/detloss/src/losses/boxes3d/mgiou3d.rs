use crate::prelude::*;

loss! {
    /// Marginalized GIoU loss in space: the mean GIoU of the shadows of two upright boxes.
    ///
    /// ```text
    /// L = (1 − m) / 2,   m = mean over the six directions of (min of the ends − max of the starts) / hull
    /// ```
    ///
    /// where a shadow is the interval that a box covers in a direction, the directions are the normals of the faces of prediction
    /// and target, and the hull is the interval that holds both shadows. The fraction is the GIoU of two intervals: negative
    /// where they are apart. Both boxes stand upright, so that two of the six directions are z.
    ///
    /// One-dimensional GIoUs need no polygons. Boxes far apart attract each other in all of centre, sides and angle. It is no
    /// function of the IoU.
    ///
    /// # Gradient
    ///
    /// Sums of slopes of the ends of intervals, nowhere 0 for an interval's hull that can shrink. Where two ends meet, the
    /// slope is the mean of both sides; by the angle, where sides are parallel as well, half of what each end has. Identical
    /// boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// From above it is the MGIoU loss of the plane, and equally high boxes at one height cost two thirds of that. The
    /// package `mgiou` takes boxes by their corners; its values are these, but for a hull without length, which gives NaN there, and
    /// targets that are all zero, which are compared by L1. Here an interval without length has a GIoU of 0. Negative sides
    /// count as 0. A box that points the other way is the same box.
    ///
    /// # References
    ///
    /// Le, Pham, Cai, Rezatofighi, *Marginalized Generalized IoU (MGIoU): A Unified Objective Function for Optimizing Any Convex
    /// Parametric Shapes*, 2025. <https://arxiv.org/abs/2504.16443>
    "mgiou3d", "MGIoU 3D" => pub struct Mgiou3d: Formula {}
}

impl Loss for Mgiou3d {
    type Pred = YawBox;
    type Target = YawBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 5., 2., 1., 4., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.0),
        // A third shared in two of six directions.
        case(
            "raised by half",
            &[0., 0., 1., 2., 1., 2., 0.7],
            &[0., 0., 0., 2., 1., 2., 0.7],
            1.0 / 9.0,
        ),
        case("share a corner", &[0., 0., 0., 1., 1., 1., 0.], &[1., 1., 1., 1., 1., 1., 0.], 0.5),
        case(
            "one apart along the diagonal",
            &[2., 2., 2., 1., 1., 1., 0.],
            &[0., 0., 0., 1., 1., 1., 0.],
            2.0 / 3.0,
        ),
        // Shadows of 1 and √2 in four directions of six.
        case(
            "a cube turned by 45 degrees",
            &[0., 0., 0., 1., 1., 1., std::f64::consts::FRAC_PI_4],
            &[0., 0., 0., 1., 1., 1., 0.],
            0.097_631_072_937_817_5,
        ),
        case("two points", &[0., 0., 0., 0., 0., 0., 0.2], &[0., 0., 0., 0., 0., 0., 1.], 0.5),
    ];

    fn eval<S: Scalar>(&self, pred: Yaw<S>, target: Yaw<S>) -> S {
        let seen = pred.seen_from(target);
        let [x, y, back_x, back_y] = seen.from_above.shadows().map(Intervals::giou);
        let sum = ((x + y) + (back_x + back_y)) + seen.upright.giou() * lit(2.0);
        // A perfect box makes 6, and a difference of exactly 0, whatever 1/12 is rounded to.
        (lit(6.0) - sum) * lit(1.0 / 12.0)
    }
}
