//! Numbers that describe many numbers.

use serde::Serialize;

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) median: f64,
    /// 99 % of the values are no larger.
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Spread {
    /// None where there are no values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mean = ratio(values.iter().sum(), values.len())?;
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        // The nearest rank: always one of the values, also of few.
        let at = |share: f64| sorted[(share * sorted.len() as f64).ceil() as usize - 1];
        Some(Self { mean, median: at(0.5), p99: at(0.99), max: at(1.0) })
    }
}

/// A sum by a count; none of nothing.
pub(super) fn ratio(sum: f64, count: usize) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The part that `value` is of a total; 0 of a total of 0, so that a perfect detector has shares.
pub(super) fn share(value: f64, total: f64) -> f64 {
    if total > 0.0 { value / total } else { 0.0 }
}

/// Which share of a total its largest parts hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Concentration {
    /// The sums of the largest parts: of one, of two …
    sums: Vec<f64>,
}

impl Concentration {
    /// Of parts that are not negative.
    pub(super) fn of(mut parts: Vec<f64>) -> Self {
        parts.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        for part in &mut parts {
            sum += *part;
            *part = sum;
        }
        Self { sums: parts }
    }

    /// The share that the largest `top` of the parts hold, rounded up to a whole part.
    pub(super) fn held_by(&self, top: f64) -> f64 {
        let count = (top * self.sums.len() as f64).ceil() as usize;
        match (count.checked_sub(1).and_then(|last| self.sums.get(last)), self.sums.last()) {
            (Some(&held), Some(&total)) => share(held, total),
            _ => 0.0,
        }
    }

    /// Share of the parts against share of the total, at evenly spaced ratios down to a single part.
    pub(super) fn curve(&self) -> Vec<(f64, f64)> {
        const POINTS: i32 = 100;
        if self.sums.is_empty() {
            return Vec::new();
        }
        let least = 1.0 / self.sums.len() as f64;
        let top = |step: i32| least.powf(1.0 - f64::from(step) / f64::from(POINTS));
        (0..=POINTS).map(|step| (top(step), self.held_by(top(step)))).collect()
    }
}

/// Counts of values in bins of one width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    /// Where the bins begin, and where the last ends.
    pub(super) edges: Vec<f64>,
    /// How many values lie in each.
    pub(super) counts: Vec<f64>,
}

impl Histogram {
    /// Bins from `from` to `to`; values beyond are counted in the first and the last.
    pub(super) fn of(
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
        bins: usize,
    ) -> Self {
        let width = (to - from).max(f64::MIN_POSITIVE) / bins as f64;
        let mut counts = vec![0.0; bins];
        for value in values {
            // A cast saturates: what lies before the first bin is in the first.
            counts[(((value - from) / width) as usize).min(bins - 1)] += 1.0;
        }
        Self { edges: (0..=bins).map(|edge| from + width * edge as f64).collect(), counts }
    }
}

/// A step of 1, 2 or 5 times a power of ten, of which about four go into `width`.
pub(super) fn tick_step(width: f64) -> f64 {
    if width <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf((width / 4.0).log10().floor());
    let fits = |times: &f64| width / (times * decade) <= 5.0;
    decade * [1.0, 2.0, 5.0].into_iter().find(fits).unwrap_or(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_made_of_the_values_and_their_mean() {
        let spread = Spread { mean: 2.5, median: 2.0, p99: 5.0, max: 5.0 };
        assert_eq!(Spread::of(&[5.0, 1.0, 2.0, 2.0]), Some(spread));
        assert_eq!(Spread::of(&[]), None);
        let hundred: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(Spread::of(&hundred).unwrap().p99, 198.0);
    }

    #[test]
    fn nothing_has_no_mean_and_a_share_of_nothing_is_none() {
        assert_eq!(ratio(0.0, 0), None);
        assert_eq!(ratio(3.0, 2), Some(1.5));
        assert_eq!(share(0.0, 0.0), 0.0);
        assert_eq!(share(1.0, 4.0), 0.25);
    }

    #[test]
    fn the_largest_parts_hold_their_share() {
        let parts = Concentration::of(vec![1.0, 6.0, 2.0, 1.0]);
        assert_eq!(parts.held_by(0.01), 0.6);
        assert_eq!(parts.held_by(0.5), 0.8);
        assert_eq!(parts.held_by(1.0), 1.0);
        assert_eq!(parts.held_by(0.0), 0.0);
    }

    #[test]
    fn a_curve_begins_with_one_part_and_ends_with_all() {
        let curve = Concentration::of(vec![1.0, 3.0]).curve();
        assert_eq!(curve[0], (0.5, 0.75));
        assert_eq!(curve.last(), Some(&(1.0, 1.0)));
        assert!(Concentration::of(vec![]).curve().is_empty());
        assert!(Concentration::of(vec![0.0]).curve().iter().all(|point| point.1 == 0.0));
    }

    #[test]
    fn ticks_are_round() {
        let near = |width: f64, step: f64| (tick_step(width) - step).abs() < 1e-12 * step;
        assert!(near(0.416, 0.1) && near(1.187, 0.5) && near(9.9, 2.0) && near(0.5, 0.1));
        assert_eq!(tick_step(0.0), 1.0);
    }

    #[test]
    fn every_value_is_in_a_bin() {
        let values = [-1.0, 0.0, 0.5, 0.99, 1.0, 7.0];
        let histogram = Histogram::of(values.into_iter(), (0.0, 1.0), 2);
        assert_eq!(histogram.counts, [2.0, 4.0]);
        assert_eq!(histogram.edges, [0.0, 0.5, 1.0]);
        let same = Histogram::of([0.0, 0.0].into_iter(), (0.0, 0.0), 4);
        assert_eq!(same.counts.iter().sum::<f64>(), 2.0);
    }
}
