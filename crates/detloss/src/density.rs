//! Gradient density: what the two losses of the gradient harmonizing mechanism (GHM) have in common.
//!
//! The norms of all gradients of a set, numbers of 0..=1, are counted in bins of equal width. An element counts the less, the
//! more elements share its bin.

use crate::loss::{SetOf, TracedLoss, TracedSet};
use crate::scalar::expr::Expr;
use crate::scalar::lanes::{LANES, Vector};
use crate::scalar::{Element, Scalar, lit, slice};

/// The most bins that are counted on a device, one pass over the set for each.
const MOST_TRACED_BINS: u32 = 32;

/// How the density of gradients is measured: the parameters that GHM-C and GHM-R share.
#[derive(Clone, Copy, Debug)]
pub struct Density {
    /// How many bins there are.
    pub bins: u32,
    /// How much of the density of a bin comes from the batches before.
    pub momentum: f64,
    /// The bins that have elements share the loss, instead of all bins.
    pub nonempty: bool,
}

/// What a loss is of one element, before any weight: a vector of elements.
#[derive(Clone, Copy, Debug)]
pub struct GhmTerm<V> {
    /// The norm of the gradient, in 0..=1.
    pub norm: V,
    /// The loss.
    pub value: V,
    /// The slope of the loss.
    pub slope: V,
}

impl Density {
    /// The state that a training run begins with: bins without density.
    #[must_use]
    pub fn state(self) -> Vec<f64> {
        vec![0.0; self.len()]
    }

    fn len(self) -> usize {
        self.bins as usize
    }

    /// Σ wᵢ ℓᵢ / N, and its gradient, with the weights wᵢ = N / (S M) of the bins.
    #[inline(always)]
    pub fn harmonize<V: Vector>(
        self,
        token: V::Token,
        set: SetOf<'_, V>,
        element: impl Fn(V, V) -> GhmTerm<V>,
    ) -> f64 {
        let SetOf { pred, target, scale, grad, state, .. } = set;
        let (mut counts, mut sums) = (vec![0.0; self.len()], vec![0.0; self.len()]);
        for start in (0..pred.len()).step_by(V::LEN) {
            let GhmTerm { norm, value, .. } = at(token, pred, target, start, &element);
            let values = lanes(value);
            // What lies behind the end is not counted.
            for (bin, value) in self.bins_of(norm).zip(values).take(pred.len() - start) {
                counts[bin] += 1.0;
                sums[bin] += value.to_f64();
            }
        }
        let weights = self.weights(counts, state);
        if let Some(grad) = grad {
            for start in (0..pred.len()).step_by(V::LEN) {
                let GhmTerm { norm, slope, .. } = at(token, pred, target, start, &element);
                let mut of_lane = [V::Element::default(); LANES];
                for (weight, bin) in of_lane.iter_mut().zip(self.bins_of(norm)) {
                    *weight = V::Element::from_f64(scale * weights[bin]);
                }
                slice::store(slope * V::load(token, &of_lane[..V::LEN]), grad, start);
            }
        }
        weights.iter().zip(sums).map(|(weight, sum)| weight * sum).sum()
    }

    /// The same of a traced set; None for more bins than are worth a sum each.
    #[must_use]
    pub fn trace<'t>(self, set: TracedSet<'t>, term: GhmTerm<Expr<'t>>) -> Option<TracedLoss<'t>> {
        if self.bins > MOST_TRACED_BINS {
            return None;
        }
        let GhmTerm { norm, value, slope } = term;
        let place = norm * lit(self.len() as f64);
        let (zero, one) = (norm.lit(0.0), norm.lit(1.0));
        let below = |edge: u32, yes, no| Expr::if_lt(place, norm.lit(edge.into()), yes, no);
        let mut counts = Vec::with_capacity(self.len());
        for bin in 0..self.bins {
            let is_below = if bin + 1 < self.bins { below(bin + 1, one, zero) } else { one };
            let is_in = if bin > 0 { below(bin, zero, is_below) } else { is_below };
            counts.push(set.sum(is_in));
        }
        let sharing = if self.nonempty {
            let filled = counts.iter().map(|&count| Expr::if_lt(zero, count, one, zero));
            filled.fold(zero, |sum, filled| sum + filled)
        } else {
            norm.lit(self.bins.into())
        };
        let weights = counts.iter().map(|&count| one.safe_div(count * sharing));
        let mut weights = (0..self.bins).zip(weights).rev();
        let (_, last) = weights.next().expect("a bin");
        let weight = weights.fold(last, |above, (bin, weight)| below(bin + 1, weight, above));
        Some(TracedLoss { value: set.sum(weight * value), slope: weight * slope })
    }

    /// The bin of every lane. A norm on an edge belongs to the bin above it, 1 to the last bin, and NaN to the first.
    #[inline(always)]
    fn bins_of<V: Vector>(self, norm: V) -> impl Iterator<Item = usize> {
        let last = self.len() - 1;
        let places = lanes(norm * lit(self.len() as f64));
        places.into_iter().take(V::LEN).map(move |place| (place.to_f64() as usize).min(last))
    }

    /// 1 / (S M) for every bin: S is its density, M the number of bins that share the loss.
    fn weights(self, mut counts: Vec<f64>, state: Option<&mut [f64]>) -> Vec<f64> {
        let filled = counts.iter().filter(|&&count| count > 0.0).count();
        let sharing = if self.nonempty { filled } else { self.len() } as f64;
        if let Some(state) = state {
            // An empty bin keeps its state.
            for (count, past) in counts.iter_mut().zip(state).filter(|(count, _)| **count > 0.0) {
                *past = self.momentum * *past + (1.0 - self.momentum) * *count;
                *count = *past;
            }
        }
        counts
            .iter()
            .map(|&density| if density > 0.0 { 1.0 / (density * sharing) } else { 0.0 })
            .collect()
    }
}

/// The elements from `start` on, as the loss sees them.
#[inline(always)]
fn at<V: Vector>(
    token: V::Token,
    pred: &[V::Element],
    target: &[V::Element],
    start: usize,
    element: impl Fn(V, V) -> GhmTerm<V>,
) -> GhmTerm<V> {
    element(slice::load(token, pred, start, 0.0), slice::load(token, target, start, 0.0))
}

/// The lanes of a vector, one by one.
#[inline(always)]
fn lanes<V: Vector>(vector: V) -> [V::Element; LANES] {
    let mut lanes = [V::Element::default(); LANES];
    vector.store(&mut lanes[..V::LEN]);
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::expr::Trace;

    #[test]
    fn more_bins_than_are_worth_a_sum_each_are_not_traced() {
        let trace = Trace::new();
        let [pred, target, counts] = [0, 1, 2].map(|index| trace.input(index));
        let set = TracedSet::new(pred, target, counts, false);
        let term = GhmTerm { norm: pred, value: pred, slope: pred };
        let is_traced =
            |bins| Density { bins, momentum: 0.0, nonempty: false }.trace(set, term).is_some();
        assert!(is_traced(1) && is_traced(MOST_TRACED_BINS) && !is_traced(MOST_TRACED_BINS + 1));
    }
}
