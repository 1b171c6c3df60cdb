//! What the losses of masks have in common: how much of a mask of logits and of its labels overlaps.

use crate::loss::{RowOf, SetOf};
use crate::scalar::lanes::Vector;
use crate::scalar::softmax::{Softmax, through_softmax};
use crate::scalar::{Element, Scalar, lit, slice};

/// A vector of pixels; all 0 for those that are left out, whose label is negative.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<V> {
    /// How likely the pixel is one of the object: p.
    pub score: V,
    /// 1 − p, without cancellation.
    pub rest: V,
    /// What the score should be: g.
    pub label: V,
}

impl<V: Vector> Pixels<V> {
    /// The pixels from `start` on. Behind the end of the row they are left out.
    #[inline(always)]
    pub fn new(token: V::Token, row: &RowOf<'_, V>, start: usize) -> Self {
        let logit = slice::load::<V>(token, row.logits, start, 0.0);
        let label = slice::load::<V>(token, row.target.fields(), start, -1.0);
        let zero = V::splat(token, V::Element::default());
        let small = (-logit.abs()).exp();
        let large = (small + lit(1.0)).recip();
        let small = small * large;
        let if_known = |value| V::if_lt(label, zero, zero, value);
        Self {
            score: if_known(V::if_lt(logit, zero, small, large)),
            rest: if_known(V::if_lt(logit, zero, large, small)),
            label: if_known(label),
        }
    }

    /// The slope of the score by its logit: p (1 − p).
    #[inline(always)]
    pub fn slope(self) -> V {
        self.score * self.rest
    }

    /// p (1 − g): more than the label asks for.
    #[inline(always)]
    pub fn extra(self) -> V {
        self.score * (lit(1.0) - self.label)
    }

    /// (1 − p) g: less than the label asks for.
    #[inline(always)]
    pub fn missed(self) -> V {
        self.rest * self.label
    }
}

/// The sums over the pixels of a mask that every linear loss of overlap is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlap {
    /// True positives: Σ p g.
    pub hits: f64,
    /// False positives: Σ p (1 − g).
    pub extra: f64,
    /// False negatives: Σ (1 − p) g.
    pub missed: f64,
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

    /// One less the Tversky index: `wrong / (TP + wrong + eps)` with `wrong = alpha FP + beta FN`. Where there is nothing to
    /// divide by, nothing is wrong.
    #[inline(always)]
    pub fn tversky(self, [alpha, beta]: [f64; 2], eps: f64) -> Tversky {
        let wrong = alpha * self.extra + beta * self.missed;
        let all = self.hits + eps + wrong;
        let (value, index) = (wrong.safe_div(all), (self.hits + eps).safe_div(all));
        let per_unit = 1.0.safe_div(all);
        Tversky {
            value,
            background: alpha * index * per_unit,
            object: -(beta * index + value) * per_unit,
        }
    }
}

/// A Tversky loss and its slopes, which for all pixels of a kind are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tversky {
    /// 1 − TP / (TP + α FP + β FN).
    pub value: f64,
    /// The slope by the score of a pixel with the label 0.
    pub background: f64,
    /// The slope by the score of a pixel with the label 1.
    pub object: f64,
}

impl Tversky {
    /// Writes the gradient of the row, if anybody wants it, for a loss whose slope by this one is `outer`.
    #[inline(always)]
    pub fn write<V: Vector>(self, token: V::Token, mut row: RowOf<'_, V>, outer: f64) {
        let Some(grad) = row.grad.take() else { return };
        let outer = outer * row.scale.to_f64();
        let (background, object) = (self.background * outer, self.object * outer);
        for start in (0..grad.len()).step_by(V::LEN) {
            let pixels = Pixels::<V>::new(token, &row, start);
            let slope = pixels.label * lit(object) + (lit(1.0) - pixels.label) * lit(background);
            slice::store(slope * pixels.slope(), grad, start);
        }
    }
}

/// The mean loss of the classes of a set of pixels, whose scores are the softmax of their logits; `absent` says whether classes
/// count that no pixel has.
#[inline(always)]
pub fn mean_over_classes<V: Vector>(
    token: V::Token,
    set: SetOf<'_, V>,
    absent: bool,
    loss: impl Fn(Overlap) -> Tversky,
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
        .map(|(overlap, counts)| if counts { loss(overlap) } else { Tversky::default() })
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
