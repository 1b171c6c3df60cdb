use crate::prelude::*;

loss! {
    /// Equalization loss v2: cross entropy of classes, balanced by the gradients each has had so far.
    ///
    /// ```text
    /// L = −(1/n) Σᵢ Σⱼ ( wⱼ⁺ yᵢⱼ ln pᵢⱼ + wⱼ⁻ (1 − yᵢⱼ) ln(1 − pᵢⱼ) ),    wⱼ⁻ = 1 / (1 + e^(−γ (rⱼ − μ))),
    ///     wⱼ⁺ = 1 + α (1 − wⱼ⁻),    rⱼ = Σ wⱼ⁺ (1 − p) / Σ wⱼ⁻ p over all positives and all negatives of j before
    /// ```
    ///
    /// where p are the scores (the sigmoid of the logits) of each of n rows, yᵢⱼ is 1 for the class of row i and 0 for all others,
    /// and γ, μ, α are the parameters gamma, mu and alpha.
    ///
    /// In a long-tailed data set a rare class is a negative nearly always. What has pushed its scores down outweighs what has
    /// pulled them up by far: rⱼ is near 0, so its negatives count less and its positives more, until both are even. No count of
    /// the classes is needed.
    ///
    /// # Gradient
    ///
    /// w (p − y) / n: the weights come from the batches before. Smooth.
    ///
    /// # Conventions
    ///
    /// γ = 12, μ = 0.8, α = 4 as in the paper and MMDetection. The last column is the background, whose weights stay 1; `background`
    /// = false says that there is none. Detectors multiply the scores of the classes by 1 less that of the background.
    ///
    /// What is remembered are both sums of every column, first those of all positives. A class that has had no gradient has the weights
    /// 1: so have all of them in the first batch, and outside of a training run, where this is a plain cross entropy. After the
    /// first batch already, a class without a positive has wⱼ⁻ = 7e-5 and wⱼ⁺ = 5. Nothing is ever forgotten. MMDetection ignores
    /// the weights of rows; here a row of weight 0 is left out.
    ///
    /// # References
    ///
    /// Tan, Lu, Zhang, Yin, Li, *Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object Detection*, CVPR
    /// 2021. <https://arxiv.org/abs/2012.08548>
    "eqlv2", "EQL v2" => pub struct Eqlv2: Set {
        /// How sharply the weights change around mu.
        gamma: f64 = 12.0 in 0.0..=100.0,
        /// The ratio of gradients at which negatives have half their weight.
        mu: f64 = 0.8 in 0.0..=10.0,
        /// How much weight the positives of a class gain as its negatives lose theirs.
        alpha: f64 = 4.0 in 0.0..=100.0,
        /// Whether the last column is the background, which is not balanced.
        background: bool = true,
    }
}

/// What the authors' code adds to the sum of the negatives, by which it divides. Gradients that come to no more are none.
const LEAST: f64 = 1e-10;

impl SetLoss for Eqlv2 {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;
    const STATE: State = State::PerColumn;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("two columns, undecided: 2 ln 2", &[0., 0.], &[1.], 1.386_294_361_119_890_6),
        case("right", &[-2., 2.], &[1.], 0.253_856_022_085_945),
        case("wrong", &[2., -2.], &[1.], 4.253_856_022_085_945),
        case("one row right, one wrong", &[2., -2., 2., -2.], &[0., 1.], 2.253_856_022_085_945),
        case("certain and right", &[1e4, -1e4], &[0.], 0.0),
    ];

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        vec![0.0; 2 * columns]
    }

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, mut set: SetOf<'_, V>) -> f64 {
        let (columns, rows) = (set.columns, set.target.len());
        let weights = match set.state.as_deref() {
            Some(state) => self.weights(state),
            None => vec![1.0; 2 * columns],
        };
        let of_negatives: Vec<_> =
            weights[columns..].iter().map(|&weight| V::Element::from_f64(weight)).collect();
        let scale = set.scale / rows as f64;
        let mut norms = vec![0.0; 2 * columns];
        let mut negatives = vec![V::Element::default(); columns];
        let mut sum = 0.0;
        for row in 0..rows {
            let (class, of_row) =
                (set.target[row].to_f64() as usize, row * columns..(row + 1) * columns);
            negatives.copy_from_slice(&set.pred[of_row.clone()]);
            let wrong = -negatives[class].to_f64();
            sum += weights[class] * wrong.softplus();
            norms[class] += wrong.sigmoid();
            // No negative: as right as can be.
            negatives[class] = V::Element::from_f64(f64::NEG_INFINITY);
            sum += slice::sum(
                token,
                columns,
                #[inline(always)]
                |start| {
                    let logit = slice::load::<V>(token, &negatives, start, f64::NEG_INFINITY);
                    slice::store(logit.sigmoid(), &mut negatives, start);
                    slice::load::<V>(token, &of_negatives, start, 0.0) * logit.softplus()
                },
            );
            for (sum, norm) in norms[columns..].iter_mut().zip(&negatives) {
                *sum += norm.to_f64();
            }
            if let Some(grad) = set.grad.as_deref_mut() {
                let slopes = &mut grad[of_row];
                for start in (0..columns).step_by(V::LEN) {
                    let norm = slice::load::<V>(token, &negatives, start, 0.0);
                    let weight = slice::load::<V>(token, &of_negatives, start, 0.0);
                    slice::store(norm * weight * lit(scale), slopes, start);
                }
                slopes[class] = V::Element::from_f64(-scale * weights[class] * wrong.sigmoid());
            }
        }
        if sum.is_nan() {
            // Nor does the state change.
            return set.nan_result();
        }
        if let Some(state) = set.state {
            for ((past, weight), norm) in state.iter_mut().zip(weights).zip(norms) {
                *past += weight * norm;
            }
        }
        sum / rows as f64
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let wrong = negate_if_positive(set.target, set.pred);
        let value = set.sum(wrong.softplus()).safe_div(set.count);
        let slope = negate_if_positive(set.target, wrong.sigmoid()).safe_div(set.count);
        Some(TracedLoss { value, slope: set.nan_with(value, slope) })
    }
}

impl Eqlv2 {
    /// The weights of every column after all batches before: those of the positives, then those of the negatives.
    fn weights(self, state: &[f64]) -> Vec<f64> {
        let columns = state.len() / 2;
        let (positives, negatives) = state.split_at(columns);
        let mut weights = vec![1.0; 2 * columns];
        for column in 0..columns - usize::from(self.background) {
            let (pulled, pushed) = (positives[column], negatives[column]);
            if pulled + pushed > LEAST {
                let above = self.gamma * (pulled / (pushed + LEAST) - self.mu);
                weights[column] = 1.0 + self.alpha * (-above).sigmoid();
                weights[columns + column] = above.sigmoid();
            }
        }
        weights
    }
}
