//! Positives and negatives in the order of their scores, and sums of steps over all pairs of them.
//!
//! Ranking losses count, for every positive i, who is ranked above it. They count with a step of half-width δ that rises linearly,
//!
//! ```text
//! H(x) = clamp(x / 2δ + ½, 0, 1),    H(x) = [x ≥ 0] if δ = 0,
//! ```
//!
//! and so sum H(sⱼ − sᵢ) over pairs. Here no pair is ever formed. The scores are sorted; from one query to the next, the points on the
//! rise of the step are a window that moves on, and their sum follows from their number and the sum of their scores. That is exact,
//! in O(n log n), where loops over positives take O(P · N).
//!
//! In use at once are 16 bytes for every negative within reach of a positive (32 in `f64`), and for every positive about 40 for AP and
//! 130 for Rank & Sort.

mod exact;
mod sorting;
mod sweep;

pub use sorting::Sorting;
use sweep::{Point, sweep};

use crate::batch::Compute;
use crate::scalar::LARGEST;

/// The most elements that can be ranked: their indices are kept in 32 bits.
pub(crate) const MOST: usize = u32::MAX as usize;

/// A score and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<T> {
    pub(crate) score: T,
    index: u32,
}

/// Scores in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct Scores<T>(Vec<Ranked<T>>);

impl<T: Compute> Scores<T> {
    fn sorted(mut ranked: Vec<Ranked<T>>) -> Self {
        T::sort(&mut ranked);
        Self(ranked)
    }

    /// The places of the scores in the batch.
    fn indices(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|ranked| ranked.index as usize)
    }

    fn values(&self) -> impl DoubleEndedIterator<Item = f64> + Clone {
        self.0.iter().map(|ranked| ranked.score.to_f64())
    }
}

/// The positives and the negatives of a set by their scores.
///
/// What is said of positives stands in ascending order of their scores, as in [`positives`](Ranking::positives).
#[derive(Clone, Debug)]
pub struct Ranking<T> {
    positives: Scores<T>,
    /// Those within reach of a positive: no step of another one is above 0.
    negatives: Scores<T>,
    delta: f64,
}

impl<T: Compute> Ranking<T> {
    /// Ranks `count` elements with a score and a label each, above 0 for positives. None if any of these is NaN.
    ///
    /// Scores beyond ±2⁴⁸ count as ±2⁴⁸.
    pub fn new(count: usize, element: impl Fn(usize) -> (T, T), delta: f64) -> Option<Self> {
        let ranked = |index: usize, score: T| Ranked {
            score: T::from_f64(score.to_f64().clamp(-LARGEST, LARGEST)),
            index: index as u32,
        };
        let is_positive = |label: T| label > T::default();
        let (mut positives, mut any_nan) = (Vec::new(), false);
        for index in 0..count {
            let (score, label) = element(index);
            any_nan |= score.to_f64().is_nan() || label.to_f64().is_nan();
            if is_positive(label) {
                positives.push(ranked(index, score));
            }
        }
        if any_nan {
            return None;
        }
        let positives = Scores::sorted(positives);
        let mut negatives = Vec::new();
        if let Some(lowest) = positives.values().next() {
            negatives.reserve_exact(count - positives.0.len());
            for index in 0..count {
                let (score, label) = element(index);
                if !is_positive(label) && score.to_f64() - lowest >= -delta {
                    negatives.push(ranked(index, score));
                }
            }
        }
        Some(Self { positives, negatives: Scores::sorted(negatives), delta })
    }

    /// Where the positives are in the set, in ascending order of their scores.
    pub fn positives(&self) -> impl Iterator<Item = usize> {
        self.positives.indices()
    }

    /// How many positives there are.
    pub fn count(&self) -> usize {
        self.positives.0.len()
    }

    /// H(0): how much an element counts as ranked above its like.
    pub fn tie(&self) -> f64 {
        if self.delta > 0.0 { 0.5 } else { 1.0 }
    }

    /// Σⱼ H(sⱼ − sᵢ) over the negatives j, for every positive i.
    pub fn negatives_above(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.count()];
        let points = self.negatives.values().rev().map(|at| Point { at, weight: None });
        let mut to = sums.iter_mut().rev();
        let queries = self.positives.values().rev();
        sweep(points, queries, self.delta, |sum| *to.next().expect("a place per query") = sum);
        sums
    }

    /// Shows Σᵢ wᵢ H(sⱼ − sᵢ) over the positives i for every negative j within reach, and where j is in the set.
    pub fn below_negatives(&self, weights: &[f64], mut show: impl FnMut(usize, f64)) {
        let positives = self.positives.values().zip(weights);
        let points = positives.map(|(at, &weight)| Point { at: -at, weight: Some(weight) });
        let queries = self.negatives.values().map(|at| -at);
        let mut to = self.negatives.indices();
        sweep(points, queries, self.delta, |sum| show(to.next().expect("a place per query"), sum));
    }

    /// Σₖ H(sₖ − sᵢ) over the positives k, i among them, for every positive i.
    pub fn positives_above(&self) -> Vec<f64> {
        self.weighted_above(&vec![1.0; self.count()], self.delta)
    }

    /// Σₖ wₖ H(sₖ − sᵢ) over the positives k, i among them, for every positive i; with steps of this half-width.
    pub fn weighted_above(&self, weights: &[f64], delta: f64) -> Vec<f64> {
        let all: Vec<usize> = (0..self.count()).collect();
        let mut sums = vec![0.0; all.len()];
        self.above((&all, weights), &all, delta, &mut sums);
        sums
    }

    /// Σᵢ wᵢ H(sₖ − sᵢ) over the positives i, k among them, for every positive k; with steps of this half-width.
    pub fn weighted_below(&self, weights: &[f64], delta: f64) -> Vec<f64> {
        let all: Vec<usize> = (0..self.count()).collect();
        let mut sums = vec![0.0; all.len()];
        self.below((&all, weights), &all, delta, &mut sums);
        sums
    }

    /// Adds Σₖ wₖ H(sₖ − sᵢ) over some positives k to the sum of each of some positives i.
    fn above(
        &self,
        (points, weights): (&[usize], &[f64]),
        queries: &[usize],
        delta: f64,
        sums: &mut [f64],
    ) {
        let point = |&k: &usize| Point { at: self.score(k), weight: Some(weights[k]) };
        let mut to = queries.iter().rev();
        let queries = queries.iter().rev().map(|&i| self.score(i));
        sweep(points.iter().rev().map(point), queries, delta, |sum| {
            sums[*to.next().expect("a place per query")] += sum;
        });
    }

    /// Adds Σᵢ wᵢ H(sₖ − sᵢ) over some positives i to the sum of each of some positives k.
    fn below(
        &self,
        (points, weights): (&[usize], &[f64]),
        queries: &[usize],
        delta: f64,
        sums: &mut [f64],
    ) {
        let point = |&i: &usize| Point { at: -self.score(i), weight: Some(weights[i]) };
        let mut to = queries.iter();
        let queries = queries.iter().map(|&k| -self.score(k));
        sweep(points.iter().map(point), queries, delta, |sum| {
            sums[*to.next().expect("a place per query")] += sum;
        });
    }

    fn score(&self, positive: usize) -> f64 {
        self.positives.0[positive].score.to_f64()
    }
}
