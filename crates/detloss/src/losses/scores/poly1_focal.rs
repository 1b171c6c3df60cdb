use crate::prelude::*;

loss! {
    /// Poly-1 focal loss: the focal loss with another first term of its series.
    ///
    /// ```text
    /// L = αₜ (−(1 − pₜ)^γ ln pₜ + ε (1 − pₜ)^(γ+1)),    pₜ = p for a positive, 1 − p for a negative,    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, ε, γ the parameters epsilon and gamma and αₜ the parameter alpha for a positive, 1 − alpha for a
    /// negative.
    ///
    /// The [`focal`](super::Focal) loss is the series of (1 − pₜ)^(γ+j) / j, j = 1, 2, …; this one has 1 + ε in the place of the
    /// first 1. That term leads where pₜ is near 1: ε > 0 asks for surer scores, ε < 0 for less sure ones. Worth a try where one
    /// more number can be tuned.
    ///
    /// # Gradient
    ///
    /// That of the focal loss, ∓αₜ ε (γ + 1) (1 − pₜ)^(γ+1) pₜ besides, with − for a positive. Nothing is detached. Smooth.
    ///
    /// # Conventions
    ///
    /// ε = 1, γ = 2, α = 0.25. The paper has αₜ on both terms; the most used port has it on the first alone, which is
    /// `alpha_on_poly` = false here and more than twice the loss of a positive. alpha = −1 switches it off. ε = −1 leaves the first
    /// term out; below that, and with `alpha_on_poly` = false for ε < 0, the loss could be negative.
    ///
    /// # References
    ///
    /// Leng, Tan, Liu, Cubuk, Shi, Cheng, Anguelov, *PolyLoss: A Polynomial Expansion Perspective of Classification Loss
    /// Functions*, ICLR 2022. <https://arxiv.org/abs/2204.12511>
    "poly1_focal", "Poly-1 focal" => pub struct Poly1Focal: Formula {
        /// What is added to the coefficient of the first term. 0 is the focal loss.
        epsilon: f64 = 1.0 in -1.0..=100.0,
        /// How strongly easy examples are turned away from.
        gamma: f64 = 2.0 in 0.0..=10.0,
        /// Weight of the positives; negatives have 1 − alpha. A negative number switches the weighting off.
        alpha: f64 = 0.25 in -1.0..=1.0,
        /// Whether alpha weighs the added term too.
        alpha_on_poly: bool = true,
    }
}

impl Loss for Poly1Focal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided, positive: ln 2 / 16 + 1/32", &[0.0], &[1.0], 0.074_571_698_784_996_58),
        case("undecided, negative: 3 (ln 2 / 16 + 1/32)", &[0.0], &[0.0], 0.223_715_096_354_989_74),
        case("right", &[2.0], &[1.0], 0.000_874_339_320_043_674_1),
        case("wrong", &[2.0], &[0.0], 1.750_052_721_574_466_3),
        case("alpha on the first term: ln 2 / 16 + 1/8", &[0.0], &[1.0], 0.168_321_698_784_996_6)
            .with(&[("alpha_on_poly", 0.0)]),
        case("the first term left out: ln 2 / 16 − 1/32", &[0.0], &[1.0], 0.012_071_698_784_996_58)
            .with(&[("epsilon", -1.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let wrong = one_minus_pt(logit, label);
        let (surprise, first) = (cross_entropy(logit, label), wrong * lit(self.epsilon));
        let focus = wrong.pow(self.gamma);
        if self.alpha < 0.0 {
            return focus * (surprise + first);
        }
        let weight = alpha_t(label, self.alpha);
        if self.alpha_on_poly {
            weight * focus * (surprise + first)
        } else {
            focus * (weight * surprise + first)
        }
    }
}
