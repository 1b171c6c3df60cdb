//! What the losses of masks have in common: how much of a mask of logits and of its labels overlaps.

use crate::loss::{RowOf, SetOf, TracedLoss, TracedRow, TracedSet};
use crate::scalar::expr::Expr;
use crate::scalar::lanes::Vector;
use crate::scalar::softmax::{Softmax, TracedSoftmax, through_softmax};
use crate::scalar::{Element, Scalar, lit, slice};

/// Pixels, side by side; all 0 for those that are left out, whose label is negative.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<S> {
    /// How likely the pixel is one of the object: p.
    pub score: S,
    /// 1 − p, without cancellation.
    pub rest: S,
    /// What the score should be: g.
    pub label: S,
}

impl<V: Vector> Pixels<V> {
    /// The pixels from `start` on. Behind the end of the row they are left out.
    #[inline(always)]
    pub fn new(token: V::Token, row: &RowOf<'_, V>, start: usize) -> Self {
        let logit = slice::load::<V>(token, row.logits, start, 0.0);
        Self::of(logit, slice::load::<V>(token, row.target.fields(), start, -1.0))
    }
}

impl<S: Scalar> Pixels<S> {
    /// The pixels with these logits and labels.
    #[inline(always)]
    pub fn of(logit: S, label: S) -> Self {
        let zero = logit.lit(0.0);
        let small = (-logit.abs()).exp();
        let large = (small + lit(1.0)).recip();
        let small = small * large;
        let if_known = |value| S::if_lt(label, zero, zero, value);
        Self {
            score: if_known(S::if_lt(logit, zero, small, large)),
            rest: if_known(S::if_lt(logit, zero, large, small)),
            label: if_known(label),
        }
    }

    /// The slope of the score by its logit: p (1 − p).
    #[inline(always)]
    pub fn slope(self) -> S {
        self.score * self.rest
    }

    /// p (1 − g): more than the label asks for.
    #[inline(always)]
    pub fn extra(self) -> S {
        self.score * (lit(1.0) - self.label)
    }

    /// (1 − p) g: less than the label asks for.
    #[inline(always)]
    pub fn missed(self) -> S {
        self.rest * self.label
    }

    /// The slopes of a loss by the logits, from those by the scores: that of a pixel with the label 0, and that of one with 1.
    #[inline(always)]
    fn by_logit(self, background: S, object: S) -> S {
        let by_score = self.label * object + (lit(1.0) - self.label) * background;
        by_score * self.slope()
    }
}

/// The sums over the pixels of a mask that every linear loss of overlap is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlap<S = f64> {
    /// True positives: Σ p g.
    pub hits: S,
    /// False positives: Σ p (1 − g).
    pub extra: S,
    /// False negatives: Σ (1 − p) g.
    pub missed: S,
}

impl Overlap {
    /// One pass over the row.
    #[inline(always)]
    pub fn new<V: Vector>(token: V::Token, row: &RowOf<'_, V>) -> Self {
        let [hits, extra, missed] = slice::sums(
            token,
            row.logits.len(),
            #[inline(always)]
            |start| {
                let pixels = Pixels::<V>::new(token, row, start);
                [pixels.score * pixels.label, pixels.extra(), pixels.missed()]
            },
        );
        Self { hits, extra, missed }
    }
}

impl<'t> Overlap<Expr<'t>> {
    /// That of a traced row.
    fn traced(pixels: Pixels<Expr<'t>>) -> Self {
        let hits = (pixels.score * pixels.label).row_sum();
        Self { hits, extra: pixels.extra().row_sum(), missed: pixels.missed().row_sum() }
    }
}

impl<S: Scalar> Overlap<S> {
    /// One less the Tversky index: `wrong / (TP + wrong + eps)` with `wrong = alpha FP + beta FN`. Where there is nothing to
    /// divide by, nothing is wrong.
    #[inline(always)]
    pub fn tversky(self, [alpha, beta]: [f64; 2], eps: f64) -> OverlapLoss<S> {
        let wrong = self.extra * lit(alpha) + self.missed * lit(beta);
        let right = self.hits + lit(eps);
        let all = right + wrong;
        let (value, index) = (wrong.safe_div(all), right.safe_div(all));
        let per_unit = all.lit(1.0).safe_div(all);
        OverlapLoss {
            value,
            background: index * lit(alpha) * per_unit,
            object: -(index * lit(beta) + value) * per_unit,
        }
    }
}

/// A loss of overlap and its slopes, which for all pixels of a kind are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct OverlapLoss<S = f64> {
    /// The value.
    pub value: S,
    /// The slope by the score of a pixel with the label 0.
    pub background: S,
    /// The slope by the score of a pixel with the label 1.
    pub object: S,
}

/// A loss of masks that is a function of their overlap.
pub trait OfOverlap {
    /// The loss, and its slopes.
    fn of<S: Scalar>(&self, overlap: Overlap<S>) -> OverlapLoss<S>;
}

/// The loss of a row, and its gradient.
#[inline(always)]
pub fn of_overlap<V: Vector>(token: V::Token, mut row: RowOf<'_, V>, loss: &impl OfOverlap) -> f64 {
    let loss = loss.of(Overlap::new(token, &row));
    if let Some(grad) = row.grad.take() {
        let scaled = |slope: f64| V::splat(token, V::Element::from_f64(slope * row.scale.to_f64()));
        let (background, object) = (scaled(loss.background), scaled(loss.object));
        for start in (0..grad.len()).step_by(V::LEN) {
            let pixels = Pixels::new(token, &row, start);
            slice::store(pixels.by_logit(background, object), grad, start);
        }
    }
    loss.value
}

/// The same of a traced row.
pub fn trace_of_overlap<'t>(row: TracedRow<'t>, loss: &impl OfOverlap) -> TracedLoss<'t> {
    let pixels = Pixels::of(row.logits, row.target);
    let loss = loss.of(Overlap::traced(pixels));
    TracedLoss { value: loss.value, slope: pixels.by_logit(loss.background, loss.object) }
}

/// The mean loss of the classes of a set of pixels, whose scores are the softmax of their logits; `absent` says whether classes
/// count that no pixel has.
#[inline(always)]
pub fn mean_over_classes<V: Vector>(
    token: V::Token,
    set: SetOf<'_, V>,
    absent: bool,
    loss: &impl OfOverlap,
) -> f64 {
    let columns = set.columns;
    let mut scores = vec![V::Element::default(); set.pred.len()];
    let mut overlaps = vec![Overlap::default(); columns];
    let mut counts = vec![absent; columns];
    let rows = set.pred.chunks_exact(columns).zip(scores.chunks_exact_mut(columns));
    for ((logits, scores), class) in rows.zip(set.target) {
        let softmax = Softmax::<V>::new(token, logits, Some(&mut *scores));
        slice::multiply::<V>(token, scores, 1.0 / softmax.sum());
        let class = class.to_f64() as usize;
        // None of the score of a pixel's own class is too much.
        let hit = std::mem::take(&mut scores[class]);
        for (overlap, score) in overlaps.iter_mut().zip(&*scores) {
            overlap.extra += score.to_f64();
        }
        overlaps[class].hits += hit.to_f64();
        overlaps[class].missed += softmax.complement(logits[class]);
        scores[class] = hit;
        counts[class] = true;
    }
    let share = 1.0 / counts.iter().filter(|&&counts| counts).count() as f64;
    let losses: Vec<_> = overlaps
        .into_iter()
        .zip(counts)
        .map(|(overlap, counts)| if counts { loss.of(overlap) } else { OverlapLoss::default() })
        .collect();
    if let Some(grad) = set.grad {
        let scale = |slope: f64| V::Element::from_f64(slope * set.scale * share);
        let background: Vec<_> = losses.iter().map(|loss| scale(loss.background)).collect();
        let rows = grad.chunks_exact_mut(columns).zip(scores.chunks_exact(columns));
        for ((slopes, scores), class) in rows.zip(set.target) {
            let class = class.to_f64() as usize;
            slopes.copy_from_slice(&background);
            slopes[class] = scale(losses[class].object);
            through_softmax::<V>(token, slopes, scores);
        }
    }
    losses.iter().map(|loss| loss.value).sum::<f64>() * share
}

/// The same of a traced set.
pub fn trace_mean_over_classes<'t>(
    set: TracedSet<'t>,
    absent: bool,
    loss: &impl OfOverlap,
) -> TracedLoss<'t> {
    let (softmax, is_class) = (TracedSoftmax::new(set.pred, 1.0), set.target);
    let (zero, one) = (is_class.lit(0.0), is_class.lit(1.0));
    let score = softmax.likelihood();
    let of_class = |yes, no| Expr::if_lt(zero, is_class, yes, no);
    let overlap = Overlap {
        hits: set.column_sum(of_class(score, zero)),
        extra: set.column_sum(of_class(zero, score)),
        missed: set.column_sum(of_class(softmax.complement(), zero)),
    };
    let loss = loss.of(overlap);
    let counts = if absent { one } else { set.column_sum(is_class) };
    let of_known = |number| Expr::if_lt(zero, counts, number, zero);
    let share = of_known(one).row_sum().recip();
    let slope = of_known(of_class(loss.object, loss.background)) * share;
    TracedLoss { value: of_known(loss.value).row_sum() * share, slope: softmax.slope(slope) }
}
