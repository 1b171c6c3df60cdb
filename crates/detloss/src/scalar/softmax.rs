//! The softmax of a row of logits, accurate also for the probabilities near 0 and near 1.

use super::expr::Expr;
use super::lanes::Vector;
use super::slice::{load, store, sum};
use super::{Scalar, lit};
use crate::scalar::Element;

/// What is left of a row of logits zⱼ once their maximum is taken out: qⱼ = e^(zⱼ − max) / (1 + rest).
#[derive(Clone, Copy, Debug)]
pub struct Softmax<V> {
    max: V,
    /// 1 / temperature, by which every zⱼ − max is multiplied.
    rate: f64,
    /// Σ e^(zⱼ − max) − 1, which for a confident row is far below the precision of the sum itself.
    rest: f64,
}

impl<V: Vector> Softmax<V> {
    /// One pass for the maximum, one for the sum. The powers e^(zⱼ − max) are left in `powers`, if there is room for them.
    #[inline(always)]
    pub fn new(token: V::Token, logits: &[V::Element], powers: Option<&mut [V::Element]>) -> Self {
        Self::at_temperature(token, logits, 1.0, powers)
    }

    /// The softmax of the logits divided by `temperature`.
    #[inline(always)]
    pub fn at_temperature(
        token: V::Token,
        logits: &[V::Element],
        temperature: f64,
        powers: Option<&mut [V::Element]>,
    ) -> Self {
        let rate = 1.0 / temperature;
        let max = maximum::<V>(token, logits);
        let zero = V::splat(token, V::Element::default());
        let mut sums = Sums { small: zero, largest: zero };
        let whole = logits.len() / V::LEN * V::LEN;
        let (body, tail) = logits.split_at(whole);
        if let Some(powers) = powers {
            let (to, to_tail) = powers.split_at_mut(whole);
            for (from, to) in body.chunks_exact(V::LEN).zip(to.chunks_exact_mut(V::LEN)) {
                sums.add(V::load(token, from) - max, rate).store(to);
            }
            if !tail.is_empty() {
                store(
                    sums.add(load::<V>(token, tail, 0, f64::NEG_INFINITY) - max, rate),
                    to_tail,
                    0,
                );
            }
        } else {
            for from in body.chunks_exact(V::LEN) {
                sums.add(V::load(token, from) - max, rate);
            }
            if !tail.is_empty() {
                sums.add(load::<V>(token, tail, 0, f64::NEG_INFINITY) - max, rate);
            }
        }
        Self { max, rate, rest: sums.small.sum() + (sums.largest.sum() - 1.0) }
    }

    /// Σ e^(zⱼ − max).
    #[inline(always)]
    pub fn sum(&self) -> f64 {
        1.0 + self.rest
    }

    /// ln Σ e^(zⱼ − max).
    #[inline(always)]
    pub fn ln_sum(&self) -> f64 {
        self.max.lit(self.rest).ln_1p().first().to_f64()
    }

    /// (z − max) / temperature, never above 0.
    #[inline(always)]
    pub fn shifted(&self, logit: V) -> V {
        (logit - self.max) * lit(self.rate)
    }

    /// q from e^(z − max).
    #[inline(always)]
    pub fn probability(&self, power: V) -> V {
        power * lit(1.0 / self.sum())
    }

    /// 1 − q from e^(z − max), without cancellation.
    #[inline(always)]
    pub fn complement_of(&self, power: V) -> V {
        (lit(self.rest) + (lit(1.0) - power)) * lit(1.0 / self.sum())
    }

    /// −ln q of one logit.
    #[inline(always)]
    pub fn surprise(&self, logit: V::Element) -> f64 {
        self.ln_sum() - self.below_max(logit)
    }

    /// 1 − q of one logit, without cancellation.
    #[inline(always)]
    pub fn complement(&self, logit: V::Element) -> f64 {
        (self.rest - self.below_max(logit).exp_m1()) / self.sum()
    }

    /// 1 − q from e^(z − max) of one logit. Where it is not the largest, it is part of the rest, and 1 is not the difference of two large numbers.
    #[inline(always)]
    pub fn complement_of_power(&self, power: V::Element) -> f64 {
        (self.rest + (1.0 - power.to_f64())) / self.sum()
    }

    /// z − max in full precision.
    #[inline(always)]
    fn below_max(&self, logit: V::Element) -> f64 {
        (logit.to_f64() - self.max.first().to_f64()) * self.rate
    }
}

/// The softmax of a traced row: the same, for every column at once.
#[derive(Clone, Copy)]
pub struct TracedSoftmax<'t> {
    /// (z − max) / temperature, never above 0.
    pub shifted: Expr<'t>,
    /// 1 where z is the largest, and 0 elsewhere.
    is_largest: Expr<'t>,
    power: Expr<'t>,
    rest: Expr<'t>,
}

impl<'t> TracedSoftmax<'t> {
    /// The softmax of the logits divided by `temperature`.
    #[must_use]
    pub fn new(logits: Expr<'t>, temperature: f64) -> Self {
        let shifted = (logits - logits.row_max()) * lit(1.0 / temperature);
        let power = shifted.exp();
        let (zero, one) = (shifted.lit(0.0), shifted.lit(1.0));
        let is_largest = Expr::if_lt(shifted, zero, zero, one);
        let rest = (power - is_largest).row_sum() + (is_largest.row_sum() - one);
        Self { shifted, is_largest, power, rest }
    }

    /// ln Σ e^(zⱼ − max).
    #[must_use]
    pub fn ln_sum(self) -> Expr<'t> {
        self.rest.ln_1p()
    }

    /// q.
    #[must_use]
    pub fn likelihood(self) -> Expr<'t> {
        self.power * self.per_sum()
    }

    /// 1 − q, without cancellation.
    #[must_use]
    pub fn complement(self) -> Expr<'t> {
        (self.rest + (lit(1.0) - self.power)) * self.per_sum()
    }

    /// The slopes by the logits from those by the probabilities: [`through_softmax`].
    #[must_use]
    pub fn slope(self, slopes: Expr<'t>) -> Expr<'t> {
        // Where several are likeliest, the mean of their slopes does as well.
        let likeliest = (slopes * self.is_largest).row_sum() * self.is_largest.row_sum().recip();
        let (slopes, q) = (slopes - likeliest, self.likelihood());
        (slopes - (slopes * q).row_sum()) * q
    }

    fn per_sum(self) -> Expr<'t> {
        (self.rest + lit(1.0)).recip()
    }
}

/// From the slopes by the probabilities of a row to those by its logits.
#[inline(always)]
pub fn through_softmax<V: Vector>(
    token: V::Token,
    slopes: &mut [V::Element],
    scores: &[V::Element],
) {
    // Less the slope of the likeliest class, which changes nothing: its probability near 1 then meets no cancellation.
    let likeliest = (0..scores.len())
        .max_by(|&a, &b| scores[a].to_f64().total_cmp(&scores[b].to_f64()))
        .map_or(0.0, |class| slopes[class].to_f64());
    let at = |from: &[V::Element], start| load::<V>(token, from, start, 0.0);
    let mean = sum(
        token,
        scores.len(),
        #[inline(always)]
        |start| (at(slopes, start) - lit(likeliest)) * at(scores, start),
    );
    for start in (0..scores.len()).step_by(V::LEN) {
        let slope = at(slopes, start) - lit(likeliest) - lit(mean);
        store(slope * at(scores, start), slopes, start);
    }
}

struct Sums<V> {
    small: V,
    largest: V,
}

impl<V: Vector> Sums<V> {
    #[inline(always)]
    fn add(&mut self, below_max: V, rate: f64) -> V {
        let shifted = below_max * lit(rate);
        let power = shifted.exp();
        let zero = shifted.lit(0.0);
        let is_largest = V::if_lt(shifted, zero, zero, shifted.lit(1.0));
        self.small = self.small + (power - is_largest);
        self.largest = self.largest + is_largest;
        power
    }
}

/// The largest element, in every lane.
#[inline(always)]
fn maximum<V: Vector>(token: V::Token, row: &[V::Element]) -> V {
    let mut max = V::splat(token, V::Element::from_f64(f64::NEG_INFINITY));
    let whole = row.chunks_exact(V::LEN);
    let tail = whole.remainder();
    for from in whole {
        max = max.max(V::load(token, from));
    }
    if !tail.is_empty() {
        max = max.max(load(token, tail, 0, f64::NEG_INFINITY));
    }
    V::splat(token, max.largest())
}
