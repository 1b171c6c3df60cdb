use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Seesaw: softmax cross entropy that spares the rare classes, until they are wrongly preferred.
    ///
    /// ```text
    /// L = −(1/n) Σ ln( e^zᵢ / Σⱼ Sⱼ e^zⱼ ),    Sⱼ = min(1, Nⱼ/Nᵢ)ᵖ max(1, qⱼ/qᵢ)^q
    /// ```
    ///
    /// where z are the logits of each of n rows, i its class, N how often every class has occurred, qⱼ the softmax of z, and p and q the
    /// exponents.
    ///
    /// In a long-tailed data set nearly all that a rare class j learns is not to be one of the frequent classes i. The first factor
    /// of S mitigates that punishment by the ratio of their numbers; the second compensates for it where a row is mistaken for j.
    /// Sᵢ is 1, and with p = q = 0 this is [`softmax_ce`](super::super::rows::SoftmaxCe).
    ///
    /// # Gradient
    ///
    /// (softmax(zⱼ + ln Sⱼ) − [j = i]) / n: S is a constant, as in the authors' code. With q = 0 it is one.
    ///
    /// # Conventions
    ///
    /// The classification loss of MMDetection's `SeesawLoss`, whose mean is by rows too, unless it is given a number to divide by; its loss of objectness is a softmax
    /// cross entropy of two columns besides. N, at least 1, is what is remembered: a step adds the classes of its rows before it
    /// uses N. Outside of a training run N counts the rows of this set. qᵢ is at least 0.01.
    ///
    /// # References
    ///
    /// Wang, Zhang, Zang, Cao, Pang, Gong, Chen, Liu, Loy, Lin, *Seesaw Loss for Long-Tailed Instance Segmentation*, CVPR 2021,
    /// eqs. 3–6. <https://arxiv.org/abs/2008.10032>
    "seesaw", "Seesaw" => pub struct Seesaw: Set {
        /// How much a rare class is spared.
        p: f64 = 0.8 in 0.0..=5.0,
        /// How much it is made to pay where it is wrongly preferred.
        q: f64 = 2.0 in 0.0..=5.0,
    }
}

/// The least probability that another one is compared with.
const LEAST: f64 = 0.01;

impl SetLoss for Seesaw {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;
    const STATE: State = State::PerColumn;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided between two that occur: ln 2", &[0.; 4], &[0., 1.], LN_2),
        case(
            "undecided, 0 twice as frequent as 1",
            &[0.; 6],
            &[0., 0., 1.],
            0.533_610_371_015_022_3,
        ),
        case("right", &[0., 2.], &[1.], 0.126_928_011_042_972_5),
        case("wrong: 1 pays", &[0., 2.], &[0.], 6.002_475_685_137_73),
        case("wrong, q = 0", &[0., 2.], &[0.], 2.126_928_011_042_972_5).with(&[("q", 0.0)]),
        case("utterly wrong", &[0., 10.], &[0.], 19.210_249_578_718_155),
        case("certain and right", &[1e4, -1e4], &[0.], 0.0),
    ];

    fn has_exact_gradient(&self) -> bool {
        self.q == 0.0
    }

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        vec![0.0; columns]
    }

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        let SetOf { pred, target, columns, scale, mut grad, state, .. } = set;
        let class_of = |row: usize| target[row].to_f64() as usize;
        let (rows, mut of_set) = (target.len(), vec![0.0; columns]);
        let counts = state.unwrap_or(&mut of_set);
        for row in 0..rows {
            counts[class_of(row)] += 1.0;
        }
        let ln_counts: Vec<_> =
            counts.iter().map(|count| V::Element::from_f64(count.max(1.0).ln())).collect();
        let mut adjusted = vec![V::Element::default(); columns];
        let mut sum = 0.0;
        for row in 0..rows {
            let (class, of_row) = (class_of(row), row * columns..(row + 1) * columns);
            self.adjust::<V>(token, &pred[of_row.clone()], class, &ln_counts, &mut adjusted);
            let mut slopes = grad.as_deref_mut().map(|grad| &mut grad[of_row]);
            let softmax = Softmax::<V>::new(token, &adjusted, slopes.as_deref_mut());
            if let Some(slopes) = slopes {
                let scale = scale / rows as f64;
                slice::multiply::<V>(token, slopes, scale / softmax.sum());
                slopes[class] = V::Element::from_f64(-scale * softmax.complement(adjusted[class]));
            }
            sum += softmax.surprise(adjusted[class]);
        }
        sum / rows as f64
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let (is_class, softmax) = (set.target, TracedSoftmax::new(set.pred, 1.0));
        let (zero, one) = (is_class.lit(0.0), is_class.lit(1.0));
        let own = |number| Expr::if_lt(zero, is_class, number, zero).row_sum();
        let ln_counts = set.column_sum(is_class).max(one).ln();
        let ln_q = softmax.shifted - softmax.ln_sum();
        let factor = self.ln_factor(ln_counts - own(ln_counts), ln_q, own(ln_q));
        let adjusted = TracedSoftmax::new(softmax.shifted + factor, 1.0);
        let surprise = adjusted.ln_sum() - own(adjusted.shifted);
        let slope = Expr::if_lt(zero, is_class, -adjusted.complement(), adjusted.likelihood());
        Some(TracedLoss {
            value: set.column_sum(surprise).safe_div(set.count),
            slope: slope.safe_div(set.count),
        })
    }
}

impl Seesaw {
    /// zⱼ + ln Sⱼ, less the greatest z.
    #[inline(always)]
    fn adjust<V: Vector>(
        self,
        token: V::Token,
        logits: &[V::Element],
        class: usize,
        ln_counts: &[V::Element],
        adjusted: &mut [V::Element],
    ) {
        let softmax = Softmax::<V>::new(token, logits, None);
        let own_count = V::splat(token, ln_counts[class]);
        let own = ln_q(&softmax, V::splat(token, logits[class]));
        for start in (0..logits.len()).step_by(V::LEN) {
            let logit = slice::load::<V>(token, logits, start, f64::NEG_INFINITY);
            let more = slice::load::<V>(token, ln_counts, start, 0.0) - own_count;
            let factor = self.ln_factor(more, ln_q(&softmax, logit), own);
            slice::store(softmax.shifted(logit) + factor, adjusted, start);
        }
    }

    /// ln S of a class that has e^`more` times the elements of the row's own, from ln q of both.
    #[inline(always)]
    fn ln_factor<S: Scalar>(self, more: S, ln_q: S, own: S) -> S {
        let preferred = (ln_q - own.max(own.lit(LEAST.ln()))).relu();
        more.min(more.lit(0.0)) * lit(self.p) + preferred * lit(self.q)
    }
}

#[inline(always)]
fn ln_q<V: Vector>(softmax: &Softmax<V>, logit: V) -> V {
    softmax.shifted(logit) - lit(softmax.ln_sum())
}
