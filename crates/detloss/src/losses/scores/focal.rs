use crate::prelude::*;

loss! {
    /// Focal loss: binary cross entropy that turns away from the easy examples.
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

    const FACTS: Facts = Facts {
        range: (0.0, f64::INFINITY),
        zero_at_target: true,
        symmetric: false,
        scale_invariant: false,
        shift_invariant: false,
    };

    const CASES: &'static [Case] = &[case("undecided, positive", &[0.0], &[1.0], 0.0433216988)];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let against = lit(1.0) - label;
        let wrong = logit.sigmoid() * against + (-logit).sigmoid() * label;
        let cross_entropy = logit.softplus() * against + (-logit).softplus() * label;
        let balance = if self.alpha < 0.0 {
            label.lit(1.0)
        } else {
            label * lit(self.alpha) + against * lit(1.0 - self.alpha)
        };
        balance * wrong.pow(self.gamma) * cross_entropy
    }
}
