use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// IoU-aware cross entropy: asks every match for a mean of its score and its quality.
    ///
    /// ```text
    /// L = −t ln p − (1 − t) ln(1 − p),    t = max(p^α q^(1−α), 0.01)    where q > 0,
    ///     else −p^γ ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, q the label (the IoU of the predicted box for the class of its object, else 0) and α, γ the
    /// parameters alpha and gamma.
    ///
    /// The classification loss of Align-DETR, LW-DETR and RF-DETR. Score and quality of a match are drawn together: where the
    /// score is above the quality, t lies between them and pulls less than q would.
    ///
    /// # Gradient
    ///
    /// p − t for a match: t is a constant, the p in it too. It is 0 at p = q, and nowhere else for α < 1 and q ≥ 0.01; the
    /// value there is the entropy of q. For all others p^γ (p − γ (1 − p) ln(1 − p)): their weight is differentiated, other than
    /// that of [`mal`](super::Mal).
    ///
    /// # Conventions
    ///
    /// α = 0.25 and γ = 2 as in all three, whose code calls α `focal_alpha`. They divide the sum by the number of objects. The
    /// logarithms of LW-DETR and Align-DETR are infinite for saturated scores; here, as in RF-DETR, they are those of logits.
    /// Where many queries match one object, Align-DETR multiplies t by e^(−rank/τ): do so with the label, to the power
    /// 1 / (1 − α).
    ///
    /// A label of 0 is no match. A match whose box misses its object has t = 0.01 in all three: raise the labels of matches to
    /// 1e-6 at least, whose t is the same.
    ///
    /// # References
    ///
    /// Cai, Liu, Wang, Ge, Zhang, Huang, *Align-DETR: Improving DETR with Simple IoU-aware BCE loss*, 2023.
    /// <https://arxiv.org/abs/2304.07527>
    ///
    /// Chen et al., *LW-DETR: A Transformer Replacement to YOLO for Real-Time Detection*, 2024.
    /// <https://arxiv.org/abs/2406.03459>
    "ia_bce", "IA-BCE" => pub struct IaBce: Formula {
        /// The part of the score in what a match is asked for. 0 asks for its quality alone.
        alpha: f64 = 0.25 in 0.0..=1.0,
        /// How strongly easy negatives are turned away from.
        gamma: f64 = 2.0 in 0.0..=10.0,
    }
}

/// The least score that a match is asked for.
const LEAST: f64 = 0.01;

impl Loss for IaBce {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("not matched, undecided: ln 2 / 4", &[0.0], &[0.0], 0.173_286_795_139_986_33),
        case("any quality, undecided: ln 2", &[0.0], &[0.7], LN_2),
        case(
            "score 1/16 of quality 1 is asked for ½",
            &[-2.708_050_201_102_21],
            &[1.0],
            1.418_563_621_688_676,
        ),
        case("a miss is asked for 0.01", &[-6.0], &[1e-6], 0.062_475_685_137_730_45),
        case("not matched, taken for an object", &[100.0], &[0.0], 100.0),
        case("without the score: cross entropy", &[2.0], &[0.25], 1.626_928_011_042_972_5)
            .with(&[("alpha", 0.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let score = logit.sigmoid();
        let mean = score.detach().pow(self.alpha) * label.pow(1.0 - self.alpha);
        let matched = cross_entropy(logit, mean.max(label.lit(LEAST)));
        let unmatched = score.pow(self.gamma) * logit.softplus();
        S::if_lt(label.lit(0.0), label, matched, unmatched)
    }
}
