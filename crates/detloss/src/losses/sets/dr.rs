use crate::prelude::*;

loss! {
    /// DR: the hardest negatives are to score below the hardest positives, by a margin.
    ///
    /// ```text
    /// L = (τ/ℓ) ln(1 + e^(ℓ (P⁻ − P⁺ + γ))),    P⁻ = Σ⁻ qⱼ pⱼ,    qⱼ ∝ e^(pⱼ/λ⁻),    P⁺ = Σ⁺ qᵢ pᵢ,    qᵢ ∝ e^(−pᵢ/λ⁺)
    /// ```
    ///
    /// where p = σ(x) are the scores of the logits x, Σ⁻ goes over the negatives and Σ⁺ over the positives, each with weights q
    /// that add up to 1; τ, γ, λ⁺ and λ⁻ are the parameters tau, margin, lambda_pos and lambda_neg, and ℓ is sharpness.
    ///
    /// Distributional ranking: of each class only the expectation under its least favourable distribution is compared, so that
    /// it does not matter how many elements a class has. The distributions are those within a distance of relative entropy
    /// from the uniform one; the smaller λ, the more they dwell on the hardest element. With groups, each image is ranked by
    /// itself, as in the paper.
    ///
    /// # Gradient
    ///
    /// τ σ(ℓ z) q p (1 − p) (1 + (p − P⁻)/λ⁻) for negatives and −τ σ(ℓ z) q p (1 − p) (1 − (p − P⁺)/λ⁺) for positives, where
    /// z = P⁻ − P⁺ + γ. The last factor may be negative: a negative with a score below P⁻ − λ⁻ is pushed up. With detach the q are
    /// constants, and it is 1.
    ///
    /// # Conventions
    ///
    /// A label above 0 is positive. Same as the authors' code: P⁺ = 1 without positives, P⁻ = 0 without negatives, and the q
    /// are part of the gradient. Their module ranks whatever it is given at once, usually a whole batch; the paper ranks each
    /// image. Their detector starts at scores of 0.5, not of 0.01 as with the focal loss.
    ///
    /// # References
    ///
    /// Qian, Chen, Li, Jin, *DR Loss: Improving Object Detection by Distributional Ranking*, CVPR 2020.
    /// <https://arxiv.org/abs/1907.10156>
    "dr", "DR" => pub struct Dr: Set {
        /// λ⁺: how little the distribution of the positives dwells on the lowest score.
        lambda_pos: f64 = 1.0 in 0.01..=100.0,
        /// λ⁻: how little the distribution of the negatives dwells on the highest score; 0.1 / ln 3.5.
        lambda_neg: f64 = 0.079_823_560_014_792_81 in 0.01..=100.0,
        /// How sharp the corner of the softened hinge is.
        sharpness: f64 = 6.0 in 0.01..=100.0,
        /// τ: what the loss is multiplied by.
        tau: f64 = 4.0 in 0.01..=100.0,
        /// How far apart the two expectations are to be.
        margin: f64 = 0.5 in 0.0..=1.0,
        /// Whether the distributions are detached: constants for the gradient.
        detach: bool = false,
    }
}

impl SetLoss for Dr {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;

    // ln(1 + e⁻³) · 2/3 and ln(1 + e⁹) · 2/3.
    const FACTS: Facts = Facts::range(0.032_391_567_715_828_04, 6.000_082_268_126_482);

    const CASES: &'static [Case] = &[
        case("undecided: P⁻ = P⁺ = 0.5", &[0., 0., 0.], &[1., 0., 0.], 2.032_391_567_715_827_7),
        case(
            "certain and right: only the margin is left",
            &[1e4, -1e4],
            &[1., 0.],
            0.032_391_567_715_828_04,
        ),
        case("certain and wrong", &[-1e4, 1e4], &[1., 0.], 6.000_082_268_126_482),
        case("no positives: P⁺ = 1", &[0., 0.], &[0., 0.], 0.462_098_120_373_296_84),
        case("no negatives: P⁻ = 0", &[0., 0.], &[1., 1.], 0.462_098_120_373_296_84),
        case("two against one", &[1., -1., 0.5], &[1., 1., 0.], 2.711_189_224_456_794_6),
    ];

    fn has_exact_gradient(&self) -> bool {
        !self.detach
    }

    /// Both classes are seen from their labels: the distance of a score is p for negatives and 1 − p for positives, and the weights
    /// are e^(distance/λ) for either.
    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        let count = set.pred.len();
        let zero = V::splat(token, V::Element::default());
        let mut worst = [zero; 2];
        for start in (0..count).step_by(V::LEN) {
            let (label, logit) = slice::scores::<V>(token, set.pred, set.target, start);
            let [negative, positive] = by_class(label, logit.sigmoid());
            worst = [worst[0].max(negative), worst[1].max(positive)];
        }
        let splat = |number: f64| zero + lit(number);
        let worst = worst.map(|distance| splat(distance.largest().to_f64()));
        let sums = slice::sums(
            token,
            count,
            #[inline(always)]
            |start| {
                let (label, logit) = slice::scores::<V>(token, set.pred, set.target, start);
                self.terms(label, logit.sigmoid(), worst)
            },
        );
        let ranking = self.compare(sums);
        if let Some(grad) = set.grad {
            let shares = ranking.shares.map(|share| splat(share * set.scale));
            let expected = ranking.expected.map(splat);
            for start in (0..count).step_by(V::LEN) {
                let (label, logit) = slice::scores::<V>(token, set.pred, set.target, start);
                slice::store(self.slope(label, logit, worst, expected, shares), grad, start);
            }
        }
        ranking.value
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let (label, logit) = (set.target, negate_if_positive(set.target, set.pred));
        let distance = logit.sigmoid();
        let worst = by_class(label, distance).map(|distance| set.max(distance));
        let sums = self.terms(label, distance, worst).map(|term| set.sum(term));
        let Comparison { value, expected, shares } = self.compare(sums);
        Some(TracedLoss { value, slope: self.slope(label, logit, worst, expected, shares) })
    }
}

/// What the expectations of both classes make of the loss. Negatives stand before positives.
struct Comparison<S> {
    value: S,
    /// P⁻ and 1 − P⁺.
    expected: [S; 2],
    /// The slope by the expectation, divided by the sum of the weights.
    shares: [S; 2],
}

impl Dr {
    /// 1/λ of both classes.
    fn rates(self) -> [f64; 2] {
        [1.0 / self.lambda_neg, 1.0 / self.lambda_pos]
    }

    /// e^((distance − worst)/λ): at most 1, and 1 for the worst of a class.
    #[inline(always)]
    fn power<S: Scalar>(self, label: S, distance: S, worst: [S; 2]) -> S {
        let rate = pick(label, self.rates().map(|rate| label.lit(rate)));
        ((distance - pick(label, worst)) * rate).exp()
    }

    /// What the sums are of: of either class the weight, and the weight times the distance.
    #[inline(always)]
    fn terms<S: Scalar>(self, label: S, distance: S, worst: [S; 2]) -> [S; 4] {
        let [negative, positive] = by_class(label, self.power(label, distance, worst));
        [negative, negative * distance, positive, positive * distance]
    }

    #[inline(always)]
    fn compare<S: Scalar>(
        self,
        [negatives, of_negatives, positives, of_positives]: [S; 4],
    ) -> Comparison<S> {
        let expected = [of_negatives.safe_div(negatives), of_positives.safe_div(positives)];
        let violation =
            (expected[0] + expected[1] - lit(1.0) + lit(self.margin)) * lit(self.sharpness);
        let pull = violation.sigmoid() * lit(self.tau);
        Comparison {
            value: (violation.softplus() * lit(self.tau)).safe_div(violation.lit(self.sharpness)),
            expected,
            shares: [pull.safe_div(negatives), pull.safe_div(positives)],
        }
    }

    #[inline(always)]
    fn slope<S: Scalar>(
        self,
        label: S,
        logit: S,
        worst: [S; 2],
        expected: [S; 2],
        shares: [S; 2],
    ) -> S {
        let distance = logit.sigmoid();
        let share = self.power(label, distance, worst) * pick(label, shares);
        let bend = if self.has_exact_gradient() { self.rates() } else { [0.0; 2] };
        let bend = pick(label, bend.map(|rate| label.lit(rate)));
        let bent = (distance - pick(label, expected)) * bend + lit(1.0);
        negate_if_positive(label, share * bent * distance * (-logit).sigmoid())
    }
}

/// The number of a negative and that of a positive, where it is not the one or the other 0. What is left out of a kernel has a
/// label below 0.
#[inline(always)]
fn by_class<S: Scalar>(label: S, number: S) -> [S; 2] {
    let zero = label.lit(0.0);
    let positive = S::if_lt(zero, label, number, zero);
    [S::if_lt(label, zero, zero, number - positive), positive]
}

/// The one number for negatives, the other for positives.
#[inline(always)]
fn pick<S: Scalar>(label: S, [negative, positive]: [S; 2]) -> S {
    S::if_lt(label.lit(0.0), label, positive, negative)
}
