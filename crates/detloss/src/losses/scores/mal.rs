use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Matchability-aware loss: cross entropy that asks every match for a power of its quality.
    ///
    /// ```text
    /// L = −q^γ ln p − (1 − q^γ) ln(1 − p)    where q > 0,    else −α p^γ ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, q the label (the IoU of the predicted box for the class of its object, else 0) and γ, α the
    /// parameters gamma and alpha.
    ///
    /// The [`varifocal`](super::Varifocal) loss weighs a match by its quality: a bad one costs next to nothing, however sure its
    /// score is. Detectors that match one query to one object have many bad matches early in training. Here every match has the
    /// weight 1, and a bad one is asked for a score near 0. For q strictly between 0 and 1 the least loss is the entropy of q^γ,
    /// not 0.
    ///
    /// # Gradient
    ///
    /// p − q^γ for a match, α p^γ p for all others, whose weight p^γ is detached. Smooth everywhere.
    ///
    /// # Conventions
    ///
    /// γ = 1.5 as in the recipes of DEIM and DEIMv2, whose class has 2 unless told otherwise. α is their `mal_alpha`. They divide
    /// the sum by the number of objects.
    ///
    /// A label of 0 is no match. A match whose box misses its object is another thing: DEIM, which knows the matches apart from the
    /// qualities, gives it the weight 1 and the cross entropy of 0, p^−γ times what an unmatched query of that score costs. For
    /// that, raise the labels of matches to 1e-6 at least; with γ = 1.5 the loss is then theirs up to 1e-9 |x|.
    ///
    /// # References
    ///
    /// Huang, Lu, Cun, Yu, Zhou, Shen, *DEIM: DETR with Improved Matching for Fast Convergence*, CVPR 2025.
    /// <https://arxiv.org/abs/2412.04234>
    "mal", "MAL" => pub struct Mal: Formula {
        /// How much less than its quality a match is asked for, and how strongly easy negatives are turned away from.
        gamma: f64 = 1.5 in 0.0..=10.0,
        /// Weight of what is not matched.
        alpha: f64 = 1.0 in 0.0..=10.0,
    }
}

impl Loss for Mal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("not matched, undecided: ln 2 / √8", &[0.0], &[0.0], 0.245_064_535_867_136_8),
        case("quality 1, undecided: ln 2", &[0.0], &[1.0], LN_2),
        case("quality 0.64, undecided: ln 2 as well", &[0.0], &[0.64], LN_2),
        case("quality ¼ is asked for ⅛", &[2.0], &[0.25], 1.876_928_011_042_972_5),
        case("not matched, taken for an object", &[100.0], &[0.0], 100.0),
        case("not matched, half the weight", &[0.0], &[0.0], 0.122_532_267_933_568_4)
            .with(&[("alpha", 0.5)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let matched = cross_entropy(logit, label.pow(self.gamma));
        let weight = logit.sigmoid().detach().pow(self.gamma) * lit(self.alpha);
        S::if_lt(label.lit(0.0), label, matched, weight * logit.softplus())
    }
}
