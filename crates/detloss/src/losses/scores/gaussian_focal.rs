use crate::prelude::*;

loss! {
    /// Gaussian focal loss: the focal loss of a heatmap, lenient around the centres of the objects.
    ///
    /// ```text
    /// L = −(1 − p)^α ln p    where y = 1,    else −(1 − y)^β p^α ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, y the label (1 at the centre of an object, falling off around it like a Gaussian) and α, β the
    /// parameters alpha and beta.
    ///
    /// A peak one pixel beside the centre still makes a good box. The closer to a centre, the less a score costs there; only
    /// the centre itself is a positive. Divide the sum by the number of objects.
    ///
    /// # Gradient
    ///
    /// (1 − p)^α (p − 1 + α p ln p) for a positive, (1 − y)^β p^α (p − α (1 − p) ln(1 − p)) for a negative. Nothing is detached.
    /// Smooth in x.
    ///
    /// # Conventions
    ///
    /// α = 2, β = 4. A positive is y = 1 exactly, as in CornerNet, CenterNet and MMDetection: bfloat16 rounds labels above
    /// 0.998 up to it. KerasCV takes y > 0.99 and cuts p off; MMDetection adds 1e-12 inside the logarithms.
    ///
    /// # References
    ///
    /// Law, Deng, *CornerNet: Detecting Objects as Paired Keypoints*, ECCV 2018, eq. 1.
    /// <https://arxiv.org/abs/1808.01244>
    /// Zhou, Wang, Krähenbühl, *Objects as Points*, 2019, eq. 1. <https://arxiv.org/abs/1904.07850>
    "gaussian_focal", "Gaussian focal" => pub struct GaussianFocal: Formula {
        /// How strongly easy examples are turned away from.
        alpha: f64 = 2.0 in 0.0..=10.0,
        /// How lenient the loss is around a centre. 0 makes all negatives equal.
        beta: f64 = 4.0 in 0.0..=10.0,
    }
}

impl Loss for GaussianFocal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("a centre, undecided: ln 2 / 4", &[0.0], &[1.0], 0.173_286_795_139_986_33),
        case("background, undecided: ln 2 / 4", &[0.0], &[0.0], 0.173_286_795_139_986_33),
        case("beside a centre: ln 2 / 64", &[0.0], &[0.5], 0.010_830_424_696_249_145),
        case("beside a centre, beta 2: ln 2 / 16", &[0.0], &[0.5], 0.043_321_698_784_996_58)
            .with(&[("beta", 2.0)]),
        case("a centre missed", &[-100.0], &[1.0], 100.0),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let positive = (-logit).sigmoid().pow(self.alpha) * (-logit).softplus();
        let lenience = (lit(1.0) - label).pow(self.beta);
        let negative = lenience * logit.sigmoid().pow(self.alpha) * logit.softplus();
        S::if_lt(label, label.lit(1.0), negative, positive)
    }
}
