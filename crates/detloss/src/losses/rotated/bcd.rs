use crate::prelude::*;

loss! {
    /// BCD loss: the Bhattacharyya distance of two boxes as normal distributions.
    ///
    /// ```text
    /// L = 1 − 1 / (τ + ln(1 + D))
    /// D = 1/8 (c − C)ᵀ M⁻¹ (c − C) + 1/2 ln( det M / √(det S det T) ),   M = (S + T) / 2
    /// ```
    ///
    /// where c and C are the centres of prediction and target, and S and T their covariances: the squares of half the sides,
    /// turned by the angle.
    ///
    /// Like the KLD loss it has no scale, but it is symmetric, and the logarithm of a box of the wrong size grows where that of
    /// KLD explodes. The angle needs no range and the sides no order.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. A square has no angle, and no slope by it, unless the other box is none. By the offset the slope
    /// falls as its inverse. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// That of `GDLoss_v1('bcd', fun='log1p', tau=1)` in MMRotate, without its floor of 1e-6 under D. `fun='sqrt'`, the default of that
    /// class, is `root = 1, log = 0`. D itself is `log = 0, tau = 0`. [`prob_iou`](super::ProbIou) has the same distance with the
    /// variance of a uniform rectangle, a third of this one.
    ///
    /// A sum of squares and of the logarithm of 1 + squares: nothing cancels. Sides count as no less than 1e-6; lengths beyond a
    /// factor of a million of the target's w + h count as that, which is why the loss ends below 1.
    ///
    /// # References
    ///
    /// Hou, Lu, Yang, Li, Xue, *G-Rep: Gaussian Representation for Arbitrary-Oriented Object Detection*, Remote
    /// Sensing 2023. <https://arxiv.org/abs/2205.11796>
    "bcd", "BCD" => pub struct Bcd: Formula {
        /// τ in 1 − 1/(τ + ·). Below 1 the distance is the loss itself, without a bound.
        tau: f64 = 1.0 in 0.0..=10.0,
        /// Whether the root of the distance is taken.
        root: bool = false,
        /// Whether the logarithm ln(1 + ·) of it is taken.
        log: bool = true,
    }
}

impl Loss for Bcd {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    // The supremum: a vanishing box a million sizes away in the thin direction of a needle, where D is a little over 2⁷⁹.
    const FACTS: Facts = Facts::range(0.0, 0.982_065_556)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case(
            "its width aside",
            &[2., 0., 2., 1., 0.],
            &[0., 0., 2., 1., 0.],
            0.288_491_763_878_637_35,
        ),
        case("its width aside: the distance", &[2., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.], 0.5)
            .with(&[("log", 0.0), ("tau", 0.0)]),
        // ln(5/3): the mean variance is 5 where each box has 9 and 1.
        case("a cross", &[0., 0., 3., 1., 0.5], &[0., 0., 1., 3., 0.5], 0.510_825_623_765_990_7)
            .with(&[("log", 0.0), ("tau", 0.0)]),
        // ln(5/4).
        case(
            "twice as large",
            &[0., 0., 2., 2., 0.],
            &[0., 0., 1., 1., 0.4],
            0.223_143_551_314_209_76,
        )
        .with(&[("log", 0.0), ("tau", 0.0)]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let distance = Gaussians::new(pred, target).bhattacharyya(0.25);
        tempered(if self.root { distance.sqrt() } else { distance }, self.log, self.tau)
    }
}
