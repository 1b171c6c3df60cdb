//! What a matcher answers.

use super::image::of_length;
use crate::error::{Error, Result};

/// The index of a prediction that is to find nothing.
pub const BACKGROUND: i32 = -1;

/// The index of a prediction that is left out: neither found nor background.
pub const IGNORED: i32 = -2;

/// For every prediction of an image, the truth that it is to find.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Matches<T> {
    /// For every prediction the index of its truth, [`BACKGROUND`] or [`IGNORED`].
    pub indices: Vec<i32>,
    /// For every prediction how much it is to find its truth, from 0 to 1: the label of its class. Only from matchers with soft scores,
    /// and 0 for what has no truth.
    pub scores: Option<Vec<T>>,
}

impl<T: Clone + Default> Matches<T> {
    /// All background.
    pub(super) fn none(predictions: usize, has_scores: bool) -> Self {
        let scores = has_scores.then(|| vec![T::default(); predictions]);
        Self { indices: vec![BACKGROUND; predictions], scores }
    }
}

impl<T> Matches<T> {
    /// Matches that were made elsewhere, or came as a tensor.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidNumber`] for an index that is none, [`Error::Length`] if there is not one score for every index.
    pub fn new(indices: &[i64], scores: Option<Vec<T>>) -> Result<Self> {
        if let Some(scores) = &scores {
            of_length("the scores of the matches", indices.len(), scores.len())?;
        }
        let narrow = |(index, &got): (usize, &i64)| {
            let is_index = |truth: &i32| *truth >= IGNORED;
            i32::try_from(got).ok().filter(is_index).ok_or(Error::InvalidNumber {
                what: "the indices of the matches",
                index,
                got: got as f64,
                wanted: "the index of a truth, −1 for background or −2 for what is left out",
            })
        };
        let indices = indices.iter().enumerate().map(narrow).collect::<Result<_>>()?;
        Ok(Self { indices, scores })
    }

    /// The pairs of a prediction and its truth, by ascending predictions.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let matched = |(prediction, &truth): (usize, &i32)| {
            usize::try_from(truth).ok().map(|truth| (prediction, truth))
        };
        self.indices.iter().enumerate().filter_map(matched)
    }

    /// How many predictions have a truth: what most criteria divide their sums by.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.pairs().count()
    }

    /// How many predictions are background.
    #[must_use]
    pub fn negatives(&self) -> usize {
        self.indices.iter().filter(|truth| **truth == BACKGROUND).count()
    }

    /// How many predictions each of the truths has.
    #[must_use]
    pub fn counts(&self, truths: usize) -> Vec<usize> {
        let mut counts = vec![0; truths];
        self.pairs().for_each(|(_, truth)| counts[truth] += 1);
        counts
    }
}
