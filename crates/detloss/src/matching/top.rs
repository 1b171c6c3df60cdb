//! The best few of many.

use std::cmp::Ordering;

use crate::scalar::Compute;

/// Up to `k` candidates with the largest metrics; of equal metrics the lower index comes first. NaN is no candidate.
#[derive(Clone, Debug)]
pub(super) struct Top<T> {
    k: usize,
    best: Vec<(T, u32)>,
}

impl<T: Compute> Top<T> {
    pub(super) fn new(k: usize) -> Self {
        Self { k, best: Vec::with_capacity(k.min(32)) }
    }

    pub(super) fn clear(&mut self) {
        self.best.clear();
    }

    /// A candidate, in any order.
    #[inline]
    pub(super) fn offer(&mut self, metric: T, index: u32) {
        if self.best.len() == self.k {
            match self.best.last() {
                Some(&last) if before((metric, index), last) => self.best.pop(),
                _ => return,
            };
        }
        if metric.partial_cmp(&metric).is_some() {
            let place = self.best.partition_point(|&other| before(other, (metric, index)));
            self.best.insert(place, (metric, index));
        }
    }

    /// Whether a candidate of this metric may be kept.
    #[inline]
    pub(super) fn may_take(&self, metric: T) -> bool {
        self.worst().is_none_or(|worst| metric >= worst)
    }

    /// The metric that a candidate has to reach once there are `k`.
    pub(super) fn worst(&self) -> Option<T> {
        (self.best.len() == self.k).then(|| self.best.last().map(|last| last.0)).flatten()
    }

    /// What was kept, the best first.
    pub(super) fn best(&self) -> &[(T, u32)] {
        &self.best
    }
}

fn before<T: Compute>((metric, index): (T, u32), (other_metric, other_index): (T, u32)) -> bool {
    match metric.partial_cmp(&other_metric) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => index < other_index,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_metrics_go_to_the_lower_index_whatever_the_order() {
        let candidates = [(0.5, 7), (0.9, 3), (0.5, 2), (f64::NAN, 0), (0.5, 9), (0.9, 1)];
        for start in 0..candidates.len() {
            let mut top = Top::new(3);
            for place in 0..candidates.len() {
                let (metric, index) = candidates[(start + place) % candidates.len()];
                top.offer(metric, index);
            }
            assert_eq!(top.best(), [(0.9, 1), (0.9, 3), (0.5, 2)]);
            assert_eq!(top.worst(), Some(0.5));
        }
    }

    #[test]
    fn fewer_than_k_are_all_kept_and_no_place_keeps_none() {
        let mut top = Top::new(2);
        top.offer(1.0_f32, 4);
        assert_eq!((top.best(), top.worst()), (&[(1.0, 4)][..], None));
        let mut none = Top::new(0);
        none.offer(1.0_f32, 4);
        assert!(none.best().is_empty());
    }
}
