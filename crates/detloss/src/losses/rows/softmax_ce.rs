use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Softmax cross entropy: negative log-likelihood of the class of a row under a softmax.
    ///
    /// ```text
    /// L = −Σₖ wₖ tₖ ln qₖ,    qₖ = e^zₖ / Σⱼ e^zⱼ,    tₖ = (1 − ε) yₖ + ε / K
    /// ```
    ///
    /// where z are the K logits, y the target (1 for the class and 0 for the others, or any distribution), w the weights of
    /// the classes (1 if none are given) and ε the parameter smoothing.
    ///
    /// The classes exclude each other, and background is one of them: that of the two-stage detectors. With ε > 0 the target
    /// is never certain, so that the logits stay finite, and the least loss is no longer 0.
    ///
    /// # Gradient
    ///
    /// qₖ Σⱼ wⱼ tⱼ − wₖ tₖ, for a class without weights and smoothing simply qₖ, less 1 at the class. Smooth everywhere. A
    /// logit of −∞ excludes a class: it adds nothing, as long as its target is 0.
    ///
    /// # Conventions
    ///
    /// Same as `cross_entropy` of PyTorch with class indices, class weights, smoothing and distributions as targets. Its
    /// mean divides by the sum of the weights, which is `weighted_mean` here; that of MMDetection by the number of rows.
    /// Which class is background is the caller's affair: the last one in MMDetection, the first in maskrcnn-benchmark. Class-balanced and
    /// logit-adjusted cross entropy and LDAM are this with [numbers per class](crate::frequency).
    ///
    /// # References
    ///
    /// Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, Neurocomputing 1990.
    /// Smoothing: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, *Rethinking the Inception Architecture for Computer Vision*,
    /// CVPR 2016. <https://arxiv.org/abs/1512.00567>
    "softmax_ce", "Softmax CE" => pub struct SoftmaxCe: Row {
        /// How much of the target is spread evenly over all classes.
        smoothing: f64 = 0.0 in 0.0..=1.0,
    }
}

impl RowLoss for SoftmaxCe {
    const TARGET: Kind = Kind::Distribution;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: ln 4", &[1., 1., 1., 1.], &[0., 1., 0., 0.], 1.386_294_361_119_890_6),
        case("right", &[0., 2.], &[0., 1.], 0.126_928_011_042_972_5),
        case("wrong", &[0., 2.], &[1., 0.], 2.126_928_011_042_972_5),
        case("utterly wrong", &[100., -100.], &[0., 1.], 200.0),
        case("two equally likely, known: ln 2", &[0., 0.], &[0.5, 0.5], LN_2),
        case("smoothed", &[0., 2.], &[0., 1.], 0.326_928_011_042_972_5).with(&[("smoothing", 0.2)]),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64 {
        match row.target {
            RowTarget::Class(class) if self.smoothing == 0.0 => of_class(token, row, class),
            _ => self.of_distribution(token, row),
        }
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        let (sure, even) = (1.0 - self.smoothing, self.smoothing / row.columns as f64);
        let target = row.target * lit(sure) + lit(even);
        Some(trace_over_classes(TracedRow { target, ..row }, &CrossEntropy))
    }
}

#[inline(always)]
fn of_class<V: Vector>(token: V::Token, mut row: RowOf<'_, V>, class: usize) -> f64 {
    let softmax = Softmax::<V>::new(token, row.logits, row.grad.as_deref_mut());
    let weight = row.column_weights.map_or(1.0, |weights| weights[class].to_f64());
    let logit = row.logits[class];
    if let Some(grad) = row.grad {
        let scale = weight * row.scale.to_f64();
        let complement = softmax.complement_of_power(grad[class]);
        slice::multiply::<V>(token, grad, scale / softmax.sum());
        grad[class] = V::Element::from_f64(-scale * complement);
    }
    // Of a class without weight that its logit excludes 0, not 0 · ∞.
    weight * if weight == 0.0 { softmax.complement(logit) } else { softmax.surprise(logit) }
}

impl SoftmaxCe {
    #[inline(always)]
    fn of_distribution<V: Vector>(&self, token: V::Token, mut row: RowOf<'_, V>) -> f64 {
        let softmax = Softmax::<V>::new(token, row.logits, row.grad.as_deref_mut());
        let len = row.logits.len();
        let zero = V::splat(token, V::Element::default());
        let (mut mass, mut below) = (zero, zero);
        for start in (0..len).step_by(V::LEN) {
            let share = self.share(token, &row, start);
            let shifted = softmax.shifted(slice::load(token, row.logits, start, 0.0));
            mass = mass + share;
            // A logit of −∞ with no share adds 0, not 0 · ∞.
            below = below + V::if_lt(zero, share.abs(), share * shifted, share);
        }
        let (mass, below) = (mass.sum(), below.sum());
        let scale = V::splat(token, row.scale);
        let per_power = V::splat(token, V::Element::from_f64(mass / softmax.sum()));
        if let Some(grad) = row.grad.take() {
            for start in (0..len).step_by(V::LEN) {
                let power = slice::load::<V>(token, grad, start, 0.0);
                let slope = power * per_power - self.share(token, &row, start);
                slice::store(slope * scale, grad, start);
            }
        }
        mass * softmax.ln_sum() - below
    }

    /// The weighted, smoothed target wₖ tₖ from column `start` on; 0 behind the end.
    #[inline(always)]
    fn share<V: Vector>(&self, token: V::Token, row: &RowOf<'_, V>, start: usize) -> V {
        let columns = row.logits.len();
        let (sure, even) = (1.0 - self.smoothing, self.smoothing / columns as f64);
        let share = match row.target {
            RowTarget::Dense(target) => {
                slice::load::<V>(token, target, start, 0.0) * lit(sure) + lit(even)
            }
            RowTarget::Class(class) => slice::per_column(token, start, |column| {
                even + if column == class { sure } else { 0.0 }
            }),
        };
        match row.column_weights {
            Some(weights) => weighted(share, slice::load(token, weights, start, 0.0)),
            None if start + V::LEN <= columns => share,
            None => {
                share
                    * slice::per_column::<V>(token, start, |column| {
                        f64::from(u8::from(column < columns))
                    })
            }
        }
    }
}
