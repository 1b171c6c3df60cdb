//! Consecutive elements of a set: the work of one thread.

use super::Ranked;
use crate::parallel::Work;
use crate::scalar::Compute;

/// Some of the elements of a set.
#[derive(Debug)]
pub(super) struct Chunk<'a, T> {
    /// Where the first one is in the set.
    pub(super) first: usize,
    /// For each element its score and what else there is of it.
    pred: &'a [T],
    labels: &'a [T],
    /// Where the slopes by `pred` go.
    pub(super) grad: Option<&'a mut [T]>,
}

impl<'a, T: Compute> Chunk<'a, T> {
    /// All of a set, which is not empty.
    pub(super) fn new(pred: &'a [T], labels: &'a [T], grad: Option<&'a mut [T]>) -> Self {
        Self { first: 0, pred, labels, grad }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// How many numbers there are of an element, the first of them its score.
    pub(super) fn width(&self) -> usize {
        self.pred.len() / self.labels.len()
    }

    /// The scores. Those beyond ±2⁴⁸ count as ±2⁴⁸.
    pub(super) fn scores(&self) -> impl Iterator<Item = T> + use<'a, T> {
        self.pred.iter().step_by(self.width()).map(|score| score.clamp_finite())
    }

    /// Folds the scores as they are given. Where these are all there is, many are taken at once.
    fn fold<A>(&self, first: A, add: impl Fn(A, &T) -> A) -> A {
        match self.width() {
            1 => self.pred.iter().fold(first, add),
            width => self.pred.iter().step_by(width).fold(first, add),
        }
    }

    /// How many scores are not below this one.
    pub(super) fn count_from(&self, lowest: T) -> usize {
        self.fold(0_u32, |count, score| count + u32::from(score.clamp_finite() >= lowest)) as usize
    }

    /// The scores and their places in the set, with whether they are of positives.
    pub(super) fn elements(&self) -> impl Iterator<Item = (Ranked<T>, bool)> + use<'a, T> {
        let indices = self.first as u32..;
        let ranked = self.scores().zip(indices).map(|(score, index)| Ranked { score, index });
        ranked.zip(self.labels.iter().map(|&label| label > T::default()))
    }

    /// Whether a score or a label is NaN.
    pub(super) fn any_nan(&self) -> bool {
        // No way out before the end: without one, the loops are fast ones.
        let any = |any: bool, number: &T| any | number.to_f64().is_nan();
        self.labels.iter().fold(false, any) | self.fold(false, any)
    }

    /// The first `count` elements, and the rest.
    pub(super) fn split(self, count: usize) -> (Self, Self) {
        let numbers = count * self.width();
        let (pred, more_pred) = self.pred.split_at(numbers);
        let (labels, more_labels) = self.labels.split_at(count);
        let (grad, more_grad) = self.grad.map(|grad| grad.split_at_mut(numbers)).unzip();
        let first = self.first;
        (
            Self { first, pred, labels, grad },
            Self { first: first + count, pred: more_pred, labels: more_labels, grad: more_grad },
        )
    }

    /// Cuts the elements into so many chunks of nearly the same size, and merges what `of_chunk` says of them in their order.
    pub(super) fn par_fold<R: Send>(
        self,
        chunks: usize,
        work: Work<'_>,
        of_chunk: &(impl Fn(Self) -> R + Sync),
        merge: &(impl Fn(R, R) -> R + Sync),
    ) -> R {
        if chunks <= 1 {
            return of_chunk(self);
        }
        let half = chunks / 2;
        let count = self.len() / chunks * half;
        let (low, high) = self.split(count);
        let (low, high) = work.join(
            || low.par_fold(half, work, of_chunk, merge),
            || high.par_fold(chunks - half, work, of_chunk, merge),
        );
        merge(low, high)
    }
}
