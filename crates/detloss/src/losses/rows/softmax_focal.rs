use crate::prelude::*;

loss! {
    /// Softmax focal loss: softmax cross entropy that down-weights easy rows.
    ///
    /// ```text
    /// L = −α Σₖ wₖ yₖ (1 − qₖ)^γ ln qₖ,    qₖ = e^zₖ / Σⱼ e^zⱼ
    /// ```
    ///
    /// where z are the logits, y the target (1 for the class and 0 for the others, or any distribution), w the weights of the
    /// classes (1 if none are given) and α, γ the parameters alpha and gamma.
    ///
    /// The focal loss where the classes exclude each other and background is one of them. A row whose class is already likely
    /// counts little.
    ///
    /// # Gradient
    ///
    /// For class c: α wc (1 − qc)^γ (γ qc ln qc / (1 − qc) − 1) times 1 − qc at the class and −qₖ elsewhere. Nothing is
    /// detached. Smooth; where 1 − qc is 0, so is the slope. A logit of −∞ excludes a class whose target is 0.
    ///
    /// # Conventions
    ///
    /// γ = 2. α multiplies every class and is 1: the paper has none for many classes. `CategoricalFocalCrossentropy` of Keras
    /// has α = 0.25 and cuts probabilities off at 1e-7. Kornia gives 1 − α to class 0, the background, and α to the others:
    /// weigh the columns for that.
    ///
    /// # References
    ///
    /// Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017.
    /// <https://arxiv.org/abs/1708.02002>
    "softmax_focal", "Softmax focal" => pub struct SoftmaxFocal: Row {
        /// How strongly easy rows are turned away from. 0 is the cross entropy.
        gamma: f64 = 2.0 in 0.0..=10.0,
        /// What every row is multiplied by.
        alpha: f64 = 1.0 in 0.0..=1.0,
    }
}

impl RowLoss for SoftmaxFocal {
    const TARGET: Kind = Kind::Distribution;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: 9/16 ln 4", &[1., 1., 1., 1.], &[0., 1., 0., 0.], 0.779_790_578_129_938_5),
        case("right", &[0., 2.], &[0., 1.], 0.001_803_562_835_240_375_2),
        case("wrong", &[0., 2.], &[1., 0.], 1.650_078_179_421_409),
        case("utterly wrong", &[100., -100.], &[0., 1.], 200.0),
        case("without gamma, alpha ¼", &[0., 0.], &[0., 1.], 0.173_286_795_139_986_33)
            .with(&[("gamma", 0.0), ("alpha", 0.25)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        sum_over_classes(token, row, self)
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        Some(trace_over_classes(row, self))
    }
}

impl OfLikelihood for SoftmaxFocal {
    #[inline(always)]
    fn term<S: Scalar>(&self, likelihood: S, wrong: S, surprise: S) -> (S, S) {
        let focus = wrong.pow(self.gamma) * lit(self.alpha);
        // Of a class that its logit excludes 0, not 0 · ∞.
        let spread = likelihood * surprise.clamp_finite();
        let steepness = spread.safe_div(wrong) * lit(self.gamma) + lit(1.0);
        (focus * surprise, -(focus * steepness))
    }
}
