//! Positives and negatives in the order of their scores, and sums of steps over all pairs of them.
//!
//! Ranking losses count, for every positive i, who is ranked above it. They count with a step of half-width δ that rises linearly,
//!
//! ```text
//! H(x) = clamp(x / 2δ + ½, 0, 1),    H(x) = [x ≥ 0] if δ = 0,
//! ```
//!
//! and so sum H(sⱼ − sᵢ) over pairs. Here no pair is ever formed. Points on the rise of the step are those between two breakpoints, and their
//! sum follows from their number and the sum of their scores. That is exact, in O(n log n), where loops over positives take O(P · N); sums
//! that others are taken from are kept in twice the precision of `f64`.
//!
//! Positives against positives are swept: both in order, the breakpoints move on from one query to the next (`sweep.rs`). So are
//! negatives against positives where these are many, reach few negatives, or lie so unevenly that nothing is found quickly
//! among them. Elsewhere the negatives go by in chunks that threads share, each looks up between which breakpoints of the positives
//! it lies (`breakpoints.rs`), and nothing is kept of it but that, in the place of its slope. What chunks find is summed up in whole
//! numbers: the bits are the same for any number of chunks and threads.
//!
//! In use at once besides the gradient are, where negatives go by, 76 bytes for every positive by AP, 116 by aLRP and 148 by
//! Rank & Sort (92, 132 and 156 in `f64`), and 32 more for every thread but the first. Elsewhere 16 bytes for every negative
//! within reach of a positive (32 in `f64`), and what the positives need.

mod breakpoints;
mod chunk;
mod double_double;
mod negatives;
mod sorting;
mod sweep;

use breakpoints::{Breakpoints, begin};
use chunk::Chunk;
pub use negatives::PendingGrad;
pub use sorting::Sorting;
use sweep::{Point, sweep};

use crate::loss::SetOf;
use crate::parallel::Work;
use crate::scalar::Compute;
use crate::scalar::lanes::Vector;

/// The most elements that can be ranked: their indices are kept in 32 bits.
pub(crate) const MAX_ELEMENTS: usize = u32::MAX as usize;

/// The least half-width of a step that rises: of narrower ones, twice the precision of `f64` keeps too little. Far from 0 it does so
/// of wider ones: about N · |s| · 2⁻¹⁰⁵ / δ of the sum over N scores s is lost.
const NARROWEST: f64 = 1e-20;

/// The fewest elements of a chunk that is searched for positives.
const SCAN: usize = 1 << 15;

/// A score and where it came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ranked<T> {
    pub(crate) score: T,
    index: u32,
}

/// How steps rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Over the half-width of the ranking.
    Rising,
    /// At once.
    Hard,
}

/// The positives of a set in ascending order of their scores, and how its negatives lie among them.
///
/// What is said of positives stands in ascending order of their scores, as in [`positives`](Ranking::positives).
#[derive(Clone, Debug)]
pub struct Ranking<'a, T> {
    /// For each element its score, and what else there is of it.
    pred: &'a [T],
    labels: &'a [T],
    /// Where the positives are in the set.
    places: Vec<u32>,
    /// The scores of the positives.
    scores: Vec<f64>,
    /// How many negatives are on the steps of positives, or above.
    reached: usize,
    /// Of the steps of the positives, if these are few, lie where they can be found, and there is something to look for them.
    breakpoints: Option<Breakpoints<T>>,
    /// The half-width of the steps.
    delta: f64,
    work: Work<'a>,
}

impl<'a, T: Compute> Ranking<'a, T> {
    /// Ranks the elements of a set by the first number of each prediction; those with a label above 0 are positives. A δ above 0
    /// counts as no less than 1e-20. None if a score or a label is NaN.
    pub fn new<V: Vector<Element = T>>(set: &SetOf<'a, V>, delta: f64) -> Option<Self> {
        let &SetOf { pred, target: labels, work, .. } = set;
        let delta = if delta > 0.0 { delta.max(NARROWEST) } else { 0.0 };
        let positives = |chunk: Chunk<'_, T>| {
            let wanted = !work.is_cancelled();
            let positives = chunk.elements().filter(|(_, is_positive)| *is_positive && wanted);
            (!chunk.any_nan()).then(|| positives.map(|(ranked, _)| ranked).collect())
        };
        let both = |low: Option<Vec<_>>, high: Option<Vec<_>>| Some([low?, high?].concat());
        let all = Chunk::new(pred, labels, None);
        let mut positives = all.par_fold(labels.len() / SCAN, work, &positives, &both)?;
        T::sort_by_key(&mut positives, |ranked| ranked.score);
        let places: Vec<u32> = positives.iter().map(|ranked| ranked.index).collect();
        let scores: Vec<f64> = positives.iter().map(|ranked| ranked.score.to_f64()).collect();
        let mut ranking =
            Self { pred, labels, places, scores, reached: 0, breakpoints: None, delta, work };
        if let Some(lowest) = ranking.lowest() {
            let not_below = |chunk: Chunk<'_, T>| chunk.count_from(lowest);
            let all = ranking.all(None);
            let count =
                all.par_fold(labels.len() / SCAN, work, &not_below, &|low, high| low + high);
            ranking.reached = count - ranking.count();
            let are_few = labels.len() / ranking.count() >= negatives::MIN_ELEMENTS_PER_POSITIVE;
            if are_few
                && labels.len() / negatives::MAX_ELEMENTS_PER_NEGATIVE_IN_REACH <= ranking.reached
            {
                ranking.breakpoints = Breakpoints::new(&ranking.scores, delta);
            }
        }
        Some(ranking)
    }

    /// The lowest score that is on the step of a positive.
    fn lowest(&self) -> Option<T> {
        self.scores.first().map(|&score| begin(score, self.delta))
    }

    fn all<'p>(&self, grad: Option<&'p mut [T]>) -> Chunk<'p, T>
    where
        'a: 'p,
    {
        Chunk::new(self.pred, self.labels, grad)
    }

    /// Where the positives are in the set, in ascending order of their scores.
    pub fn positives(&self) -> impl Iterator<Item = usize> {
        self.places.iter().map(|&place| place as usize)
    }

    /// How many positives there are.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// H(0): how much an element counts as ranked above its like.
    pub fn tie(&self) -> f64 {
        if self.delta > 0.0 { 0.5 } else { 1.0 }
    }

    /// Σₖ H(sₖ − sᵢ) over the positives k, i among them, for every positive i.
    pub fn positives_above(&self) -> Vec<f64> {
        let mut sums =
            counts_above(self.scores.iter().copied(), &self.scores, self.delta, self.work);
        // Steps too narrow for their scores might have lost itself.
        sums.iter_mut().for_each(|sum| *sum = sum.max(self.tie()));
        sums
    }

    /// Σₖ wₖ H(sₖ − sᵢ) over the positives k, i among them, for every positive i.
    pub fn weighted_above(&self, weights: &[f64], step: Step) -> Vec<f64> {
        let all: Vec<usize> = (0..self.count()).collect();
        let mut sums = vec![0.0; all.len()];
        self.above((&all, weights), &all, self.half_width(step), &mut sums);
        sums
    }

    /// Σᵢ wᵢ H(sₖ − sᵢ) over the positives i, k among them, for every positive k.
    pub fn weighted_below(&self, weights: &[f64], step: Step) -> Vec<f64> {
        let all: Vec<usize> = (0..self.count()).collect();
        let mut sums = vec![0.0; all.len()];
        self.below((&all, weights), &all, self.half_width(step), &mut sums);
        sums
    }

    fn half_width(&self, step: Step) -> f64 {
        match step {
            Step::Rising => self.delta,
            Step::Hard => 0.0,
        }
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
        sweep(points.iter().rev().map(point), queries, delta, self.work, |sum| {
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
        sweep(points.iter().map(point), queries, delta, self.work, |sum| {
            sums[*to.next().expect("a place per query")] += sum;
        });
    }

    fn score(&self, positive: usize) -> f64 {
        self.scores[positive]
    }
}

/// Σₖ H(pₖ − sᵢ) over points k for every score i, both in ascending order.
fn counts_above(
    points: impl DoubleEndedIterator<Item = f64> + Clone,
    scores: &[f64],
    delta: f64,
    work: Work<'_>,
) -> Vec<f64> {
    let mut sums = vec![0.0; scores.len()];
    let points = points.rev().map(|at| Point { at, weight: None });
    let mut to = sums.iter_mut().rev();
    sweep(points, scores.iter().rev().copied(), delta, work, |sum| {
        *to.next().expect("a place per query") = sum;
    });
    sums
}
