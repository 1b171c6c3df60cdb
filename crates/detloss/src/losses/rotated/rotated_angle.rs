use crate::prelude::*;

loss! {
    /// Rotated angle loss: the term by which Ultralytics trains the angle of boxes that are nearly square.
    ///
    /// ```text
    /// L = sin²(2 (a − A)) · exp(−(ln(W / H) / λ)²)
    /// ```
    ///
    /// where a and A are the angles of prediction and target, and W and H the sides of the target.
    ///
    /// Gaussian losses see no angle in a square. This term, which is added to one of them, does: it is 0 at every quarter turn, as
    /// the names of a square are, and it fades the longer the target is, for a long box is seen by the Gaussian loss, and is
    /// another one by a quarter turn. A target that is three times as long as wide counts 0.87, one of twenty times 0.37.
    ///
    /// # Gradient
    ///
    /// By the angle alone. At an eighth of a turn, where it is largest, the value has slope 0. Identical angles have slope 0.
    ///
    /// # Conventions
    ///
    /// That of the oriented boxes of Ultralytics since 8.4, which adds the mean of it, weighed by the scores of the targets, with
    /// weight 1. There the difference is brought into ±π/2 first, which changes nothing. A target without an area costs
    /// nothing, or nearly so for a large λ.
    ///
    /// # References
    ///
    /// Without a paper: *Ultralytics YOLO*, release 8.4, 2026. <https://github.com/ultralytics/ultralytics>
    "rotated_angle", "Rotated angle" => pub struct RotatedAngle: Formula {
        /// λ, how fast the term fades for targets that are no squares.
        lambd: f64 = 3.0 in 0.1..=100.0,
    }
}

impl Loss for RotatedAngle {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case(
            "a square, half way to its next name",
            &[3., 1., 2., 1., std::f64::consts::FRAC_PI_4],
            &[0., 0., 2., 2., 0.],
            1.0,
        ),
        // sin²(0.4).
        case(
            "a square turned by 0.2",
            &[0., 0., 2., 2., 0.3],
            &[0., 0., 2., 2., 0.1],
            0.151_646_645_326_417_3,
        ),
        // e^−(ln 2 / 3)².
        case(
            "twice as long as wide",
            &[0., 0., 2., 1., std::f64::consts::FRAC_PI_4],
            &[0., 0., 2., 1., 0.],
            0.948_016_219_009_995_9,
        ),
        case("a segment", &[0., 0., 2., 1., 0.5], &[0., 0., 2., 0., 0.], 0.0),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let seen = pred.seen_from(target);
        let ([cos, sin], [w, h]) = (seen.direction, seen.frame);
        let aspect = w.safe_div(h).ln() * lit(1.0 / self.lambd);
        // sin 2a = 2 sin a cos a. Neither the centre nor the prediction's sides are part of it.
        (sin * cos).square() * lit(4.0) * (-aspect.square()).exp() + pred.zero_unless_nan()
    }
}
