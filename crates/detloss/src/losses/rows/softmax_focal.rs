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
    fn row<V: Vector>(&self, token: V::Token, mut row: RowOf<'_, V>) -> f64 {
        let softmax = Softmax::<V>::new(token, row.logits, row.grad.as_deref_mut());
        match row.target {
            RowTarget::Class(class) => self.of_class(token, row, &softmax, class),
            RowTarget::Dense(target) => self.of_distribution(token, row, &softmax, target),
        }
    }
}

impl SoftmaxFocal {
    #[inline(always)]
    fn of_class<V: Vector>(
        &self,
        token: V::Token,
        row: RowOf<'_, V>,
        softmax: &Softmax<V>,
        class: usize,
    ) -> f64 {
        let weight = self.alpha * row.column_weights.map_or(1.0, |weights| weights[class].to_f64());
        let logit = row.logits[class];
        let (surprise, wrong) = (softmax.surprise(logit), softmax.complement(logit));
        let focus = weight * wrong.pow(self.gamma);
        if let Some(grad) = row.grad {
            // The slope by ln q of the class, whose own slope is 1 − q there and −q elsewhere.
            let slope = -focus * (1.0 + self.gamma * (1.0 - wrong) * surprise.safe_div(wrong));
            let scale = slope * row.scale.to_f64();
            slice::multiply::<V>(token, grad, -scale / softmax.sum());
            grad[class] = V::Element::from_f64(scale * wrong);
        }
        focus * surprise
    }

    #[inline(always)]
    fn of_distribution<V: Vector>(
        &self,
        token: V::Token,
        mut row: RowOf<'_, V>,
        softmax: &Softmax<V>,
        target: &[V::Element],
    ) -> f64 {
        let zero = V::splat(token, V::Element::default());
        let (mut value, mut slopes) = (zero, zero);
        for start in (0..target.len()).step_by(V::LEN) {
            let (loss, slope) = self.terms(token, &row, softmax, target, start);
            value = value + loss;
            slopes = slopes + slope;
        }
        if let Some(grad) = row.grad.take() {
            let scale = V::splat(token, row.scale);
            let per_power = V::splat(token, V::Element::from_f64(slopes.sum() / softmax.sum()));
            for start in (0..target.len()).step_by(V::LEN) {
                let power = slice::load::<V>(token, grad, start, 0.0);
                let (_, slope) = self.terms(token, &row, softmax, target, start);
                slice::store((slope - power * per_power) * scale, grad, start);
            }
        }
        value.sum()
    }

    /// The terms of the sum from column `start` on, and their slopes by ln q; 0 behind the end.
    #[inline(always)]
    fn terms<V: Vector>(
        &self,
        token: V::Token,
        row: &RowOf<'_, V>,
        softmax: &Softmax<V>,
        target: &[V::Element],
        start: usize,
    ) -> (V, V) {
        let zero = V::splat(token, V::Element::default());
        let mut share = slice::load::<V>(token, target, start, 0.0) * lit(self.alpha);
        if let Some(weights) = row.column_weights {
            share = share * slice::load::<V>(token, weights, start, 0.0);
        }
        let shifted = softmax.shifted(slice::load(token, row.logits, start, 0.0));
        let power = shifted.exp();
        let (probability, wrong) = (softmax.probability(power), softmax.complement_of(power));
        let surprise = lit(softmax.ln_sum()) - shifted;
        let focus = share * wrong.pow(self.gamma);
        let slope =
            -focus * (lit(1.0) + (probability * surprise).safe_div(wrong) * lit(self.gamma));
        // A logit of −∞ with no share adds 0, not 0 · ∞.
        let counts = |term| V::if_lt(zero, share.abs(), term, share);
        (counts(focus * surprise), counts(slope))
    }
}
