//! Negatives against positives.
//!
//! Where positives are few and many negatives within reach, these are never in order: of each it is found between which breakpoints it
//! lies, of what lies there the number and the sum of the scores are enough, and the gradient waits in its own place. Elsewhere the
//! breakpoints would be more than the negatives, or nearly; then these are sorted and swept.

use super::breakpoints::{Breakpoints, Segment, merge};
use super::chunk::Chunk;
use super::sweep::{from_above, sweep};
use super::{Ranked, Ranking, counts_above};
use crate::parallel::Work;
use crate::scalar::Compute;

/// Elements for every positive from which on the positives are few. With fewer elements, sorting takes less time.
pub(super) const MIN_ELEMENTS_PER_POSITIVE: usize = 24;

/// Where fewer than one in so many negatives is within reach of a positive, sorting those takes less time, and little memory.
pub(super) const MAX_ELEMENTS_PER_NEGATIVE_IN_REACH: usize = 16;

/// The fewest elements of a chunk.
const MIN_CHUNK: usize = 1 << 14;

/// The fewest elements of a chunk for every positive: a chunk has segments of its own, two for every positive.
const MIN_CHUNK_PER_POSITIVE: usize = 16;

/// How many elements are looked up at once.
const BLOCK: usize = 512;

/// A gradient that is still to come, and what has to be known of the negatives for it.
#[derive(Debug)]
pub struct PendingGrad<'g, T> {
    /// Where positives are few, packed in it is how many breakpoints each negative has passed.
    grad: &'g mut [T],
    /// The negatives in ascending order, where positives are many.
    sorted: Vec<Ranked<T>>,
}

impl<T: Compute> Ranking<'_, T> {
    /// Σⱼ H(sⱼ − sᵢ) over the negatives j, for every positive i; and if there is a gradient, what
    /// [`below_negatives`](Ranking::below_negatives) makes it of. Where the work is cancelled, there is none.
    pub fn negatives_above<'g>(
        &self,
        mut grad: Option<&'g mut [T]>,
    ) -> (Vec<f64>, Option<PendingGrad<'g, T>>) {
        let Some(breakpoints) = &self.breakpoints else {
            let sorted = self.sorted_negatives();
            let scores = sorted.iter().map(|negative| negative.score.to_f64());
            let sums = counts_above(scores, &self.scores, self.delta, self.work);
            return (sums, grad.map(|grad| PendingGrad { grad, sorted }));
        };
        let of_chunk = |chunk: Chunk<'_, T>| segments(breakpoints, chunk, self.work);
        let least = MIN_CHUNK.max(MIN_CHUNK_PER_POSITIVE * self.count());
        let chunks = (self.labels.len() / least).min(self.work.threads());
        let all = self.all(grad.as_deref_mut());
        let segments =
            all.par_fold(chunks, self.work, &of_chunk, &|low, high| Some(merge(low?, high?)));
        let Some(segments) = segments else { return (vec![0.0; self.count()], None) };
        let sums = breakpoints.sums_above(&self.scores, &segments);
        (sums, grad.map(|grad| PendingGrad { grad, sorted: Vec::new() }))
    }

    /// The gradient with Σᵢ wᵢ H(sⱼ − sᵢ) over the positives i for every negative j, and 0 for all else.
    pub fn below_negatives<'g>(&self, places: PendingGrad<'g, T>, weights: &[f64]) -> &'g mut [T] {
        let PendingGrad { grad, sorted } = places;
        let Some(breakpoints) = &self.breakpoints else {
            grad.fill(T::default());
            let width = grad.len() / self.labels.len();
            let points = from_above(&self.scores, weights);
            let queries = sorted.iter().map(|negative| -negative.score.to_f64());
            let mut to = sorted.iter().map(|negative| negative.index as usize * width);
            sweep(points, queries, self.delta, self.work, |sum| {
                grad[to.next().expect("a place per query")] = T::from_f64(sum);
            });
            return grad;
        };
        let rises = breakpoints.sums_below(&self.scores, weights);
        let write = |chunk: Chunk<'_, T>| {
            if self.work.is_cancelled() {
                return;
            }
            let (width, scores) = (chunk.width(), chunk.scores());
            let slots = chunk.grad.into_iter().flatten().step_by(width);
            for (slot, score) in slots.zip(scores) {
                *slot = breakpoints.sum_below(score, slot.unpack(), &rises);
            }
        };
        let chunks = self.labels.len() / MIN_CHUNK;
        self.all(Some(&mut *grad)).par_fold(chunks, self.work, &write, &|(), ()| ());
        grad
    }

    /// The negatives within reach of a positive.
    fn sorted_negatives(&self) -> Vec<Ranked<T>> {
        let Some(lowest) = self.lowest() else { return Vec::new() };
        // One more than there are, which is written in vain.
        let mut negatives = vec![Ranked::default(); self.reached + 1];
        negatives_of(&self.all(None), |score| score >= lowest, &mut negatives);
        negatives.pop();
        T::sort_by_key(&mut negatives, |ranked| ranked.score);
        negatives
    }
}

/// What lies between the breakpoints; leaves in the gradient how many each negative has passed. None if the work is cancelled.
fn segments<T: Compute>(
    breakpoints: &Breakpoints<T>,
    chunk: Chunk<'_, T>,
    work: Work<'_>,
) -> Option<Vec<Segment>> {
    let mut segments = breakpoints.segments();
    let mut negatives = [Ranked::default(); BLOCK];
    let mut passed = [0; BLOCK];
    let mut rest = chunk;
    while rest.len() > 0 {
        if work.is_cancelled() {
            return None;
        }
        let size = BLOCK.min(rest.len());
        let (block, more) = rest.split(size);
        let count = negatives_of(&block, |score| score >= breakpoints.lowest(), &mut negatives);
        let (negatives, passed) = (&negatives[..count], &mut passed[..count]);
        // No step of this loop waits for the one before: many negatives are looked up at once.
        for (passed, negative) in passed.iter_mut().zip(negatives) {
            *passed = breakpoints.passed(negative.score);
        }
        for (&passed, negative) in passed.iter().zip(negatives) {
            breakpoints.add(negative.score, passed, &mut segments);
        }
        let (first, width) = (block.first, block.width());
        if let Some(grad) = block.grad {
            grad.fill(T::pack(0));
            for (&passed, negative) in passed.iter().zip(negatives) {
                grad[(negative.index as usize - first) * width] = T::pack(passed);
            }
        }
        rest = more;
    }
    Some(segments)
}

/// Writes the negatives within reach to `room`, and how many they are.
fn negatives_of<T: Compute>(
    chunk: &Chunk<'_, T>,
    is_reached: impl Fn(T) -> bool,
    room: &mut [Ranked<T>],
) -> usize {
    let mut count = 0;
    for (ranked, is_positive) in chunk.elements() {
        // Nobody could predict a branch here: scores come in any order.
        room[count] = ranked;
        count += usize::from(!is_positive & is_reached(ranked.score));
    }
    count
}
