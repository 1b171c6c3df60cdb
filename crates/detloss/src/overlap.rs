//! What the losses of masks have in common: how much of a mask of logits and of its labels overlaps.

use crate::loss::RowOf;
use crate::scalar::Element;
use crate::scalar::lanes::Vector;
use crate::scalar::{Scalar, lit, slice};

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

/// The sums over the pixels of a row that every linear loss of overlap is made of.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
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
