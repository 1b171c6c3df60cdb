use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Binary cross entropy: negative log-likelihood of a binary label under a sigmoid.
    ///
    /// ```text
    /// L = −w y ln p − (1 − y) ln(1 − p),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, y the label and w the parameter pos_weight.
    ///
    /// The base of all losses of scores. Every class has its own yes or no, so that an object may have several classes or
    /// none. In a dense detector the many easy negatives together outweigh everything else: see the focal loss.
    ///
    /// # Gradient
    ///
    /// (1 − y) p − w y (1 − p), for w = 1 simply p − y. Smooth everywhere, never larger than 1 and w. It reaches 0 only as
    /// far as the exponential function does, beyond logits of ±87 in f32.
    ///
    /// # Conventions
    ///
    /// From logits; same as `BCEWithLogitsLoss` of PyTorch. Labels between 0 and 1 are allowed; then the least loss is their
    /// entropy and not 0. Losses on probabilities cut them off: PyTorch the logarithm at −100, Keras p at 1e-7.
    ///
    /// # References
    ///
    /// Good, *Rational Decisions*, Journal of the Royal Statistical Society B 1952.
    /// <https://doi.org/10.1111/j.2517-6161.1952.tb00104.x>
    "bce", "BCE" => pub struct Bce: Formula {
        /// Weight of the positives.
        pos_weight: f64 = 1.0 in 0.0..=1e6,
    }
}

impl Loss for Bce {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: ln 2", &[0.0], &[1.0], LN_2),
        case("right", &[2.0], &[1.0], 0.126_928_011_042_972_5),
        case("wrong", &[2.0], &[0.0], 2.126_928_011_042_972_5),
        case("utterly wrong", &[-100.0], &[1.0], 100.0),
        case("half a label, undecided", &[0.0], &[0.5], LN_2),
        case("heavy positive", &[0.0], &[1.0], 2.079_441_541_679_835_7)
            .with(&[("pos_weight", 3.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        let entropy = cross_entropy(logit, label);
        if self.pos_weight == 1.0 {
            entropy
        } else {
            entropy + label * lit(self.pos_weight - 1.0) * (-logit).softplus()
        }
    }
}
