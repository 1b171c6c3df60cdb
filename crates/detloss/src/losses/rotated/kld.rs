use crate::prelude::*;

loss! {
    /// KLD loss: the Kullback-Leibler divergence of two boxes as normal distributions.
    ///
    /// ```text
    /// L = 1 − 1 / (τ + ln(1 + factor · D))
    /// D = D(T ‖ P) = 1/2 (c − C)ᵀ S⁻¹ (c − C) + 1/2 tr(S⁻¹ T) + 1/2 ln(det S / det T) − 1
    /// ```
    ///
    /// where c and C are the centres of prediction and target, and S and T their covariances: the squares of half the sides,
    /// turned by the angle.
    ///
    /// Offsets count in units of the sides, so that the loss has no scale, and the more across a long box than along it; so does
    /// the angle of a long box. The angle needs no range and the sides no order.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. A square has no angle, and no slope by it. The logarithm keeps boxes far apart from exploding:
    /// by the offset the slope falls as its inverse. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// The paper's form with τ = 1, and D as MMRotate's `GDLoss('kld')` has it: of the target from the prediction. That loss takes
    /// ln(1 + √D) alone by default: `root = 1, tau = 0`; its setting `fun='log1p', tau=1, sqrt=False` is the default here. `GDLoss_v1`
    /// has the other direction, doubled: `reverse = 1, factor = 2`. `reverse` mixes the directions: 1 is D(P ‖ T), 1/2 is Jeffreys' divergence, `jd` there. D
    /// itself is `log = 0, tau = 0`.
    ///
    /// A sum of three terms that are 0 by themselves for identical boxes, written any way. Sides count as no less than 1e-6, where
    /// MMRotate clamps at 1e-7; lengths beyond a factor of a million of the target's w + h count as that, which is why the loss
    /// ends below 1.
    ///
    /// # References
    ///
    /// Yang, Yang, Yang, Ming, Wang, Tian, Yan, *Learning High-Precision Bounding Box for Rotated Object Detection via
    /// Kullback-Leibler Divergence*, NeurIPS 2021. <https://arxiv.org/abs/2106.01883>
    "kld", "KLD" => pub struct Kld: Formula {
        /// τ in 1 − 1/(τ + ·). Below 1 the divergence is the loss itself, without a bound.
        tau: f64 = 1.0 in 0.0..=10.0,
        /// Whether the root of the divergence is taken.
        root: bool = false,
        /// Whether the logarithm ln(1 + ·) of it is taken.
        log: bool = true,
        /// How much of the divergence is D(P ‖ T), the rest being D(T ‖ P). 1/2: Jeffreys' divergence, symmetric.
        reverse: f64 = 0.0 in 0.0..=1.0,
        /// What the divergence is multiplied by, before root and logarithm.
        factor: f64 = 1.0 in 0.01..=100.0,
    }
}

impl Loss for Kld {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    // The supremum: a vanishing box a million sizes away in x and in y, where D = 2⁸².
    const FACTS: Facts =
        Facts::range(0.0, 0.982_710_349_5).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("half its width aside", &[1., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.], 0.5)
            .with(&[("log", 0.0), ("tau", 0.0)]),
        case(
            "half its height aside",
            &[0., 0.5, 2., 1., 0.],
            &[0., 0., 2., 1., 0.],
            0.288_491_763_878_637_35,
        ),
        // 1/2 (9 + 1/9) − 1.
        case("a cross", &[0., 0., 3., 1., 0.], &[0., 0., 1., 3., 0.], 32.0 / 9.0)
            .with(&[("log", 0.0), ("tau", 0.0)]),
        // r − 1 − ln r for the ratio of the areas, 1/4 or 4.
        case(
            "twice as large",
            &[0., 0., 2., 2., 0.3],
            &[0., 0., 1., 1., 0.],
            0.636_294_361_119_890_6,
        )
        .with(&[("log", 0.0), ("tau", 0.0)]),
        case("and back", &[0., 0., 2., 2., 0.3], &[0., 0., 1., 1., 0.], 1.613_705_638_880_109_4)
            .with(&[("log", 0.0), ("tau", 0.0), ("reverse", 1.0)]),
        // The root of twice 1/2.
        case("doubled", &[1., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.], 0.5).with(&[
            ("log", 0.0),
            ("root", 1.0),
            ("reverse", 1.0),
            ("factor", 2.0),
        ]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let both = Gaussians::new(pred, target);
        let divergence = if self.reverse == 0.0 {
            both.kl_divergence()
        } else {
            let (forward, back) = (both.kl_divergence(), both.exchanged().kl_divergence());
            forward * lit(1.0 - self.reverse) + back * lit(self.reverse)
        };
        let distance = divergence * lit(self.factor);
        tempered(if self.root { distance.sqrt() } else { distance }, self.log, self.tau)
    }
}
