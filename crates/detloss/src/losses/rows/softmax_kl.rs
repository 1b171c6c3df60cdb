use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Softmax KL divergence: how far a row of logits is from that of a teacher, for distillation.
    ///
    /// ```text
    /// L = T² Σₖ pₖ ln(pₖ / qₖ),    p = softmax(t / T),    q = softmax(z / T)
    /// ```
    ///
    /// where z are the logits, t those of the teacher and T the parameter temperature.
    ///
    /// The teacher's small probabilities say what a class resembles; a temperature above 1 makes them count. The factor T²
    /// keeps the gradient at the same size for every temperature. Other than the cross entropy with the teacher's
    /// probabilities, which has the same gradient, it is 0 where the two agree.
    ///
    /// # Gradient
    ///
    /// T (q − p) by the logits. The teacher has none. Smooth everywhere. A logit of −∞ excludes a class that the teacher
    /// excludes too.
    ///
    /// # Conventions
    ///
    /// T = 1, and T² as Hinton et al. ask for. A row is worth the sum over its classes, as with `batchmean` of PyTorch;
    /// `KnowledgeDistillationKLDivLoss` of MMDetection has T = 10 and takes the mean over the classes: divide by their number.
    /// For distributions over places (localisation distillation) a row is one edge. D-FINE's DDF is the sum of this at T = 5 with
    /// [`ddf_weights`](crate::refinement::ddf_weights).
    ///
    /// # References
    ///
    /// Hinton, Vinyals, Dean, *Distilling the Knowledge in a Neural Network*, 2015. <https://arxiv.org/abs/1503.02531>
    /// Zheng, Ye, Wang, Ren, Zuo, Hou, Cheng, *Localization Distillation for Dense Object Detection*, CVPR 2022.
    /// <https://arxiv.org/abs/2102.12252>
    "softmax_kl", "Softmax KL" => pub struct SoftmaxKl: Row {
        /// What both rows of logits are divided by: the larger, the more the unlikely classes count.
        temperature: f64 = 1.0 in 0.1..=100.0,
    }
}

impl RowLoss for SoftmaxKl {
    const TARGET: Kind = Kind::Logits;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided, the teacher sure: ln 2", &[0., 0.], &[100., -100.], LN_2),
        case("sure, the teacher undecided", &[2., 0.], &[0., 0.], 0.433_780_830_483_027_3),
        case("the same up to a shift", &[3., 1.], &[2., 0.], 0.0),
        case("at temperature 2", &[2., 0.], &[0., 0.], 0.480_458_027_833_110_3)
            .with(&[("temperature", 2.0)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, mut row: RowOf<'_, V>) -> f64 {
        let (logits, teacher) = (row.logits, row.target.fields());
        let of = |logits| Softmax::<V>::at_temperature(token, logits, self.temperature, None);
        let (mine, theirs) = (of(logits), of(teacher));
        let offset = mine.ln_sum() - theirs.ln_sum();
        let scale = self.temperature * row.scale.to_f64();
        let mut grad = row.grad.take();
        let sum = slice::sum(
            token,
            logits.len(),
            #[inline(always)]
            |start| {
                let load = |from| slice::load::<V>(token, from, start, f64::NEG_INFINITY);
                let (z, t) = (mine.shifted(load(logits)), theirs.shifted(load(teacher)));
                let (q, p) = (mine.probability(z.exp()), theirs.probability(t.exp()));
                if let Some(grad) = &mut grad {
                    slice::store((q - p) * lit(scale), grad, start);
                }
                terms(q, p, (t - z) + lit(offset))
            },
        );
        self.temperature.square() * sum
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        let [mine, theirs] =
            [row.logits, row.target].map(|logits| TracedSoftmax::new(logits, self.temperature));
        let (q, p) = (mine.likelihood(), theirs.likelihood());
        let gap = (theirs.shifted - mine.shifted) + (mine.ln_sum() - theirs.ln_sum());
        let value = terms(q, p, gap).row_sum() * lit(self.temperature.square());
        Some(TracedLoss { value, slope: (q - p) * lit(self.temperature) })
    }
}

/// p ln(p / q) + q − p, which adds up to the divergence and is never negative, for the gap ln(p / q).
#[inline(always)]
fn terms<S: Scalar>(q: S, p: S, gap: S) -> S {
    let far = p * gap + (q - p);
    let gap_or_not = S::if_lt(gap.abs(), gap.lit(NEAR), p * excess(gap), far);
    // A class that the teacher excludes adds q, not 0 · ∞.
    S::if_lt(gap.lit(0.0), p.abs(), gap_or_not, q + p)
}

/// Where the series of [`excess`] is as precise as `f64`.
const NEAR: f64 = 0.25;

/// e^−x − 1 + x for a small x, where the difference would cancel.
#[inline(always)]
fn excess<S: Scalar>(x: S) -> S {
    // Horner, from the inside out: x²/2 (1 − x/3 (1 − x/4 (…))).
    let mut series = x.lit(1.0);
    for order in (3..=13).rev() {
        series = lit(1.0) - series * x * lit(1.0 / f64::from(order));
    }
    x.square() * series * lit(0.5)
}
