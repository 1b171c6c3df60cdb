use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Poly-1 cross entropy: softmax cross entropy with another first term of its series.
    ///
    /// ```text
    /// L = Σₖ wₖ yₖ (−ln qₖ + ε (1 − qₖ)),    qₖ = e^zₖ / Σⱼ e^zⱼ
    /// ```
    ///
    /// where z are the logits, y the target (1 for the class and 0 for the others, or any distribution), w the weights of the
    /// classes (1 if none are given) and ε the parameter epsilon.
    ///
    /// The cross entropy is the series of (1 − q)^j / j, j = 1, 2, …; this one has 1 + ε in the place of the first 1. That term
    /// leads where q is near 1: ε > 0 asks for surer scores, ε < 0 for less sure ones. Worth a try where one more number can be
    /// tuned.
    ///
    /// # Gradient
    ///
    /// For class c: wc (1 + ε qc) times qc − 1 at the class and qₖ elsewhere. Smooth everywhere. A logit of −∞ excludes a class
    /// whose target is 0.
    ///
    /// # Conventions
    ///
    /// ε = 1. The paper reports 2 for ImageNet and −1, which leaves the first term out, for its detector; below that the loss
    /// could be negative. For label smoothing give the smoothed distribution: the paper's listing is the same then. With a
    /// distribution the least loss is not 0, and for ε ≠ 0 it is not quite at q = y.
    ///
    /// # References
    ///
    /// Leng, Tan, Liu, Cubuk, Shi, Cheng, Anguelov, *PolyLoss: A Polynomial Expansion Perspective of Classification Loss
    /// Functions*, ICLR 2022. <https://arxiv.org/abs/2204.12511>
    "poly1_ce", "Poly-1 CE" => pub struct Poly1Ce: Row {
        /// What is added to the coefficient of the first term. 0 is the cross entropy.
        epsilon: f64 = 1.0 in -1.0..=100.0,
    }
}

impl RowLoss for Poly1Ce {
    const TARGET: Kind = Kind::Distribution;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: ln 4 + ¾", &[1., 1., 1., 1.], &[0., 1., 0., 0.], 2.136_294_361_119_891),
        case("right", &[0., 2.], &[0., 1.], 0.246_130_933_065_091_8),
        case("wrong", &[0., 2.], &[1., 0.], 3.007_725_089_020_854_6),
        case("utterly wrong", &[100., -100.], &[0., 1.], 201.0),
        case("two equally likely, known: ln 2 + ½", &[0., 0.], &[0.5, 0.5], LN_2 + 0.5),
        case("the first term left out: ln 2 − ½", &[0., 0.], &[0., 1.], LN_2 - 0.5)
            .with(&[("epsilon", -1.0)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        sum_over_classes(token, row, self)
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_over_classes(row, self))
    }
}

impl OfLikelihood for Poly1Ce {
    #[inline(always)]
    fn term<S: Scalar>(&self, likelihood: S, wrong: S, surprise: S) -> (S, S) {
        (surprise + wrong * lit(self.epsilon), likelihood * lit(-self.epsilon) - lit(1.0))
    }
}
