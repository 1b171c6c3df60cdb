use crate::prelude::*;

loss! {
    /// Focal loss: binary cross entropy that down-weights easy examples.
    ///
    /// ```text
    /// L = −αₜ (1 − pₜ)^γ ln pₜ,    pₜ = p for a positive, 1 − p for a negative,    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, γ the parameter gamma and αₜ the parameter alpha for a positive, 1 − alpha for a negative.
    ///
    /// A dense detector looks at a hundred thousand places and a handful of objects. With γ = 2 a place that is right with
    /// probability 0.9 counts a hundredth of what it would, so that the easy ones no longer drown the rest. Divide the sum by
    /// the number of positives, not of places.
    ///
    /// # Gradient
    ///
    /// ±αₜ (1 − pₜ)^γ (γ pₜ ln pₜ + pₜ − 1), with + for a positive. Smooth; between γ = 0 and 1 too, where the power alone
    /// has an infinite slope at pₜ = 1. A hopeless example has slope ∓αₜ. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// γ = 2 and α = 0.25 as in the paper, torchvision, MMDetection and Detectron; Ultralytics has γ = 1.5; fvcore and Keras
    /// have no α unless asked, which is alpha = −1 here. For a label y between 0 and 1, as in torchvision and MMDetection,
    /// pₜ and αₜ are the mixtures of both and ln pₜ is the cross entropy of y. For an α per class add two calls
    /// with weights per column: alpha = 1 with α, which leaves the positives, and alpha = 0 with 1 − α, which leaves the negatives.
    ///
    /// # References
    ///
    /// Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017, eq. 5.
    /// <https://arxiv.org/abs/1708.02002>
    "focal", "Focal" => pub struct Focal: Formula {
        /// How strongly easy examples are turned away from. 0 is the (balanced) cross entropy.
        gamma: f64 = 2.0 in 0.0..=10.0,
        /// Weight of the positives; negatives have 1 − alpha. A negative number switches the weighting off.
        alpha: f64 = 0.25 in -1.0..=1.0,
    }
}

impl Loss for Focal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided, positive: ln 2 / 16", &[0.0], &[1.0], 0.043_321_698_784_996_58),
        case("undecided, negative: 3 ln 2 / 16", &[0.0], &[0.0], 0.129_965_096_354_989_74),
        case("right", &[2.0], &[1.0], 0.000_450_890_708_810_093_8),
        case("wrong", &[2.0], &[0.0], 1.237_558_634_566_056_7),
        case("without alpha: ln 2 / 4", &[0.0], &[1.0], 0.173_286_795_139_986_33)
            .with(&[("alpha", -1.0)]),
        case("without gamma: ln 2 / 4", &[0.0], &[1.0], 0.173_286_795_139_986_33)
            .with(&[("gamma", 0.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let focused = one_minus_pt(logit, label).pow(self.gamma) * cross_entropy(logit, label);
        if self.alpha < 0.0 { focused } else { alpha_t(label, self.alpha) * focused }
    }
}
