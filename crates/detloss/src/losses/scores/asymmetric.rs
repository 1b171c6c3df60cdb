use crate::prelude::*;

loss! {
    /// Asymmetric loss: a focal loss with a power for each side, and a margin for the negatives.
    ///
    /// ```text
    /// L = −y (1 − p)^γ₊ ln p − (1 − y) pₘ^γ₋ ln(1 − pₘ),    pₘ = max(p − m, 0),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, y the label and γ₊, γ₋, m the parameters gamma_pos, gamma_neg and margin.
    ///
    /// For many classes of which an image has few. Turned down as the many negatives have to be, positives would hardly learn
    /// anything: so they have the smaller power. A negative below the margin costs exactly nothing.
    ///
    /// # Gradient
    ///
    /// (1 − p)^γ₊ (γ₊ p ln p − (1 − p)) for a positive; p (1 − p) pₘ^γ₋ (1 / (1 − pₘ) − γ₋ ln(1 − pₘ) / pₘ) for a negative, and
    /// 0 for p ≤ m. With a margin it vanishes for p near 1 as well, which is meant: such a negative may be an unlabelled
    /// positive. Smooth but for a kink at p = m if γ₋ = 0. If the weights are detached, the terms with γ as a factor are missing.
    ///
    /// # Conventions
    ///
    /// γ₊ = 1, γ₋ = 4 and m = 0.05 as in the authors' code; many recipes have γ₊ = 0. The authors have two classes
    /// with the same values: `AsymmetricLoss` detaches the weights, `AsymmetricLossOptimized` does not. Here they are
    /// differentiated unless `detach` is set: the paper chooses its formula by that gradient, and it is the slope of the value.
    ///
    /// Both cut logarithms off at ln 1e-8, beyond which there is no gradient, and return a sum. For a label between 0 and 1 they
    /// mix the powers; here, as the paper writes it, it mixes the losses.
    ///
    /// # References
    ///
    /// Ridnik, Ben-Baruch, Zamir, Noy, Friedman, Protter, Zelnik-Manor, *Asymmetric Loss For Multi-Label Classification*, ICCV
    /// 2021. <https://arxiv.org/abs/2009.14119>
    "asymmetric", "ASL" => pub struct Asymmetric: Formula {
        /// How strongly easy positives are turned away from.
        gamma_pos: f64 = 1.0 in 0.0..=10.0,
        /// How strongly easy negatives are turned away from.
        gamma_neg: f64 = 4.0 in 0.0..=10.0,
        /// The score that a negative may have for nothing.
        margin: f64 = 0.05 in 0.0..=1.0,
        /// Whether the weights are detached: constants for the gradient.
        detach: bool = false,
    }
}

impl Loss for Asymmetric {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("positive, undecided: ½ ln 2", &[0.0], &[1.0], 0.346_573_590_279_972_64),
        case("negative, undecided: −0.45⁴ ln 0.55", &[0.0], &[0.0], 0.024_515_053_512_235_16),
        case("negative below the margin", &[-3.0], &[0.0], 0.0),
        case("the worst negative: −0.95⁴ ln 0.05", &[100.0], &[0.0], 2.440_042_660_136_434),
        case("positive missed", &[-100.0], &[1.0], 100.0),
        case("negative, no margin: ln 2 / 16", &[0.0], &[0.0], 0.043_321_698_784_996_58)
            .with(&[("margin", 0.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let (score, rest) = (logit.sigmoid(), (-logit).sigmoid());
        let excess = (score - lit(self.margin)).relu();
        let surprise = if self.margin == 0.0 {
            logit.softplus()
        } else {
            -(rest + lit(self.margin)).min(rest.lit(1.0)).ln()
        };
        let weight = |base: S, gamma| {
            let weight = base.pow(gamma);
            if self.detach { weight.detach() } else { weight }
        };
        let positive = weight(rest, self.gamma_pos) * (-logit).softplus();
        let negative = weight(excess, self.gamma_neg) * surprise;
        label * positive + (lit(1.0) - label) * negative
    }
}
