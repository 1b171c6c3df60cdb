use crate::prelude::*;

loss! {
    /// Marginalized GIoU loss: the mean GIoU of the shadows of two rotated boxes along the sides of both.
    ///
    /// ```text
    /// L = (1 − m) / 2,   m = mean over the four directions of (min of the ends − max of the starts) / hull
    /// ```
    ///
    /// where a shadow is the interval that a box covers in a direction, the directions are those of the sides of prediction
    /// and target, and the hull is the interval that holds both shadows. The fraction is the GIoU of two intervals: negative
    /// where they are apart.
    ///
    /// One-dimensional GIoUs need no polygons. Boxes far apart attract each other, and the angle of squares has a slope, other
    /// than under the Gaussian losses. It is no function of the IoU: a cross of two bars is better here than it is there.
    ///
    /// # Gradient
    ///
    /// Sums of slopes of the ends of intervals, nowhere 0 for an interval's hull that can shrink. Where two ends meet, the
    /// slope is the mean of both sides; by the angle, where sides are parallel as well, half of what each end has. Identical
    /// boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// Values are those of the package `mgiou`, whose angle turns the other way. There a hull without length gives NaN, and
    /// targets that are all zero are compared by L1; here an interval without length has a GIoU of 0, so that two points at one
    /// place cost 1/2. Negative sides count as 0.
    ///
    /// # References
    ///
    /// Le, Pham, Cai, Rezatofighi, *Marginalized Generalized IoU (MGIoU): A Unified Objective Function for Optimizing Any Convex
    /// Parametric Shapes*, 2025. <https://arxiv.org/abs/2504.16443>
    "mgiou", "MGIoU" => pub struct Mgiou: Formula {}
}

impl Loss for Mgiou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("half overlapping", &[0., 0., 2., 1., 0.], &[1., 0., 2., 1., 0.], 1.0 / 6.0),
        case("share a corner", &[0., 0., 1., 1., 0.], &[1., 1., 1., 1., 0.], 0.5),
        case(
            "one apart along the diagonal",
            &[2., 2., 1., 1., 0.],
            &[0., 0., 1., 1., 0.],
            2.0 / 3.0,
        ),
        // Shadows of 1 and √2 in every direction.
        case(
            "a square turned by 45 degrees",
            &[0., 0., 1., 1., std::f64::consts::FRAC_PI_4],
            &[0., 0., 1., 1., 0.],
            0.146_446_609_406_726_24,
        ),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let [x, y, back_x, back_y] = pred.seen_from(target).shadows().map(Intervals::giou);
        lit(0.5) - ((x + y) + (back_x + back_y)) * lit(0.125)
    }
}
