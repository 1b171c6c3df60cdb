use crate::prelude::*;

loss! {
    /// Corner loss: the mean distance between the eight corners of two upright boxes in space.
    ///
    /// ```text
    /// L = 1/8 Σᵢ smooth L1( min(|cᵢ − Cᵢ|, |cᵢ − C'ᵢ|) )
    /// ```
    ///
    /// where cᵢ are the corners of the prediction, Cᵢ those of the target and C'ᵢ those of the target turned by half a turn, for
    /// it does not matter which way it points; the smooth L1 loss is d² / 2 below 1, d − 1/2 above.
    ///
    /// Centre, sides and angle are trained together, in metres, at any distance. A box that points the other way costs
    /// nothing: a classifier of directions has to say which way is forward.
    ///
    /// # Gradient
    ///
    /// Every corner pulls towards the nearer one of its two, with a force of up to 1/8. Where both are as far, the slope is
    /// the mean of both. Nothing is detached. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// That of OpenPCDet: the nearer corner is chosen corner by corner. Frustum PointNets has it as one term of its loss, with
    /// weight 10, and chooses one of the two boxes. The centre in z is the middle. Negative sides count as 0.
    ///
    /// # References
    ///
    /// Qi, Liu, Wu, Su, Guibas, *Frustum PointNets for 3D Object Detection from RGB-D Data*, CVPR 2018, section 4.4.
    /// <https://arxiv.org/abs/1711.08488>
    "corner3d", "Corner 3D" => pub struct Corner3d: Formula {}
}

impl Loss for Corner3d {
    type Pred = YawBox;
    type Target = YawBox;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 5., 2., 1., 4., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.0),
        case(
            "raised by a half",
            &[3., 1., 5.5, 2., 1., 4., 0.7],
            &[3., 1., 5., 2., 1., 4., 0.7],
            0.125,
        ),
        case("higher by two", &[3., 1., 5., 2., 1., 6., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.5),
        // Every corner is aside by 3 and 4.
        case(
            "larger by six and eight",
            &[0., 0., 0., 8., 9., 1., 0.],
            &[0., 0., 0., 2., 1., 1., 0.],
            4.5,
        ),
    ];

    fn eval<S: Scalar>(&self, pred: Yaw<S>, target: Yaw<S>) -> S {
        let distances = pred.seen_from(target).corner_distances_squared();
        let terms = distances.map(|squared| squared.sqrt().smooth_l1(1.0));
        let [a, b, c, d, e, f, g, h] = terms;
        (((a + b) + (c + d)) + ((e + f) + (g + h))) * lit(0.125)
    }
}
