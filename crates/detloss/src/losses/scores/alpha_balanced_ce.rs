use crate::prelude::*;

loss! {
    /// α-balanced cross entropy: binary cross entropy that weights positives and negatives differently.
    ///
    /// ```text
    /// L = −α y ln p − (1 − α) (1 − y) ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, y the label and α the parameter alpha.
    ///
    /// With m positives and n negatives, α = n / (m + n) lets both weigh the same. It balances their number and not their
    /// difficulty: easy negatives still count as much as hard ones, which is what the focal loss adds.
    ///
    /// # Gradient
    ///
    /// −α (1 − p) for a positive, (1 − α) p for a negative. Smooth everywhere.
    ///
    /// # Conventions
    ///
    /// α is given, over whatever the caller counts: the batch, or one image. The default ½ prefers nobody and is half the
    /// cross entropy. With positives only, n / (m + n) = 0 makes the loss vanish: keep α away from 0 and 1. A weight
    /// `pos_weight` of n / m in the loss [`bce`](super::Bce) balances alike and is larger by (m + n) / m.
    ///
    /// # References
    ///
    /// Xie, Tu, *Holistically-Nested Edge Detection*, ICCV 2015, eq. 2. <https://arxiv.org/abs/1504.06375>
    ///
    /// Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017, eq. 3.
    /// <https://arxiv.org/abs/1708.02002>
    "alpha_balanced_ce", "α-balanced CE" => pub struct AlphaBalancedCe: Formula {
        /// Weight of the positives; negatives have 1 − alpha. Balanced at the share of the negatives.
        alpha: f64 = 0.5 in 0.0..=1.0,
    }
}

impl Loss for AlphaBalancedCe {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: ½ ln 2", &[0.0], &[1.0], 0.346_573_590_279_972_64),
        case("right", &[2.0], &[1.0], 0.063_464_005_521_486_24),
        case("wrong", &[2.0], &[0.0], 1.063_464_005_521_486_3),
        case("rare positive", &[0.0], &[1.0], 0.519_860_385_419_959).with(&[("alpha", 0.75)]),
        case("frequent negative", &[0.0], &[0.0], 0.173_286_795_139_986_3).with(&[("alpha", 0.75)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let (positive, negative) =
            (label * lit(self.alpha), (lit(1.0) - label) * lit(1.0 - self.alpha));
        positive * (-logit).softplus() + negative * logit.softplus()
    }
}
