use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Varifocal loss: the focal loss for the negatives only, and positives weighted by their quality.
    ///
    /// ```text
    /// L = q · (−q ln p − (1 − q) ln(1 − p))    where q > 0,    else −α p^γ ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, q the label (the IoU of the predicted box for the class of its object, else 0) and α, γ the
    /// parameters alpha and gamma.
    ///
    /// Positives are rare and should not be turned down as the focal loss does; the good ones among them should count most.
    /// The score becomes the quality of the box, as with the quality focal loss. At q > 0 the least loss is q times the
    /// entropy of q, not 0.
    ///
    /// # Gradient
    ///
    /// q (p − q) for a positive; α p^γ (p − γ (1 − p) ln(1 − p)) for a negative, or α p^(γ+1) if its weight is detached.
    /// Smooth everywhere.
    ///
    /// # Conventions
    ///
    /// α = 0.75, γ = 2. The weight p^γ is differentiated, as in MMDetection, Ultralytics and PaddleDetection; RT-DETR and
    /// D-FINE detach it, which more than halves the gradient of a negative at the default γ while p is small.
    /// `iou_weighted` = false is MMDetection's option of that name: positives with weight 1.
    ///
    /// A matched box that does not meet its object has q = 0, and is a negative here, as in MMDetection. In Ultralytics, RT-DETR and
    /// D-FINE, which know the matches apart from the qualities, its weight is q: it costs nothing. For their numbers give the score
    /// of its class a weight of 0, and all others 1.
    ///
    /// # References
    ///
    /// Zhang, Wang, Dayoub, Sünderhauf, *VarifocalNet: An IoU-aware Dense Object Detector*, CVPR 2021, eq. 2.
    /// <https://arxiv.org/abs/2008.13367>
    "varifocal", "Varifocal" => pub struct Varifocal: Formula {
        /// Weight of the negatives.
        alpha: f64 = 0.75 in 0.0..=1.0,
        /// How strongly easy negatives are turned away from.
        gamma: f64 = 2.0 in 0.0..=10.0,
        /// Whether positives are weighted by their label.
        iou_weighted: bool = true,
        /// Whether the weight of the negatives is detached: a constant for the gradient.
        detach: bool = false,
    }
}

impl Loss for Varifocal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("background, undecided: 3 ln 2 / 16", &[0.0], &[0.0], 0.129_965_096_354_989_74),
        case("quality 1, undecided: ln 2", &[0.0], &[1.0], LN_2),
        case("quality 0.5, undecided: ½ ln 2", &[0.0], &[0.5], 0.346_573_590_279_972_64),
        case("background taken for an object", &[100.0], &[0.0], 75.0),
        case("quality 0.5, not weighted: ln 2", &[0.0], &[0.5], LN_2)
            .with(&[("iou_weighted", 0.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let score = if self.detach { logit.sigmoid().detach() } else { logit.sigmoid() };
        let negative = score.pow(self.gamma) * lit(self.alpha);
        let positive = if self.iou_weighted { label } else { label.lit(1.0) };
        let weight = S::if_lt(label.lit(0.0), label, positive, negative);
        weight * cross_entropy(logit, label)
    }
}
