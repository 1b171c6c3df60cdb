//! How fast a loss of scores brings the positives to the top of the ranking.
//!
//! The logits of an imbalanced set are moved down the gradient of a loss, each by itself as if a network could do anything.
//! Every step of every loss has the same length, so that only its direction counts: which scores a loss spends its gradient on.
//! That is what the losses of this kind are said to differ in.

mod descent;
mod precision;
mod synthetic;

use detloss::losses::Entry;
use detloss::operand::Kind;

pub(crate) use descent::{Course, STEP, run};
pub(crate) use precision::average_precision;
pub(crate) use synthetic::synthetic;

/// The losses that race if nobody says otherwise: those that weigh scores one by one, and those that rank.
const DEFAULTS: [&str; 7] = ["bce", "balanced_ce", "focal", "dr", "ap", "alrp", "rank_sort"];

/// The losses whose labels say how good a positive is.
const OF_QUALITIES: [&str; 3] = ["quality_focal", "varifocal", "rank_sort"];

/// The IoU from which on a detection has found an object. A localisation error is counted in what it may be less than 1.
const LEAST_IOU: f64 = 0.5;

/// The scores of a detector, with what they should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scores {
    /// The logits.
    pub(crate) logits: Vec<f32>,
    /// The IoU of each positive with its object; None for negatives.
    pub(crate) ious: Vec<Option<f32>>,
    /// The class of each, if classes are ranked one by one.
    pub(crate) classes: Option<Vec<i64>>,
}

impl Scores {
    /// How many positives there are.
    pub(crate) fn positives(&self) -> usize {
        self.ious.iter().flatten().count()
    }

    /// The logits of the positives, or of the negatives.
    pub(crate) fn side<'a>(
        &'a self,
        logits: &'a [f32],
        positive: bool,
    ) -> impl Iterator<Item = f32> + 'a {
        let is_meant = move |iou: &Option<f32>| iou.is_some() == positive;
        logits.iter().zip(&self.ious).filter(move |(_, iou)| is_meant(iou)).map(|(&logit, _)| logit)
    }

    /// The average precision of a ranking by `logits`: of all together, or the mean over the classes that have positives.
    pub(crate) fn precision(&self, logits: &[f32]) -> f64 {
        let Some(classes) = &self.classes else {
            let ranked = logits.iter().zip(&self.ious);
            return average_precision(ranked.map(|(&logit, iou)| (logit, iou.is_some())).collect());
        };
        let mut by_class = std::collections::BTreeMap::<i64, Vec<(f32, bool)>>::new();
        for ((&logit, iou), &class) in logits.iter().zip(&self.ious).zip(classes) {
            by_class.entry(class).or_default().push((logit, iou.is_some()));
        }
        by_class.retain(|_, ranked| ranked.iter().any(|(_, is_positive)| *is_positive));
        let count = by_class.len().max(1) as f64;
        by_class.into_values().map(average_precision).sum::<f64>() / count
    }
}

/// Whether a loss takes scores one by one, each with its label, and perhaps with the error of its box.
pub(crate) fn fits(entry: &Entry) -> bool {
    let is_score = entry.signature.pred == Kind::Logit || takes_errors(entry);
    is_score && entry.signature.target == Kind::Label
}

/// The losses that race if nobody says otherwise.
pub(crate) fn defaults() -> Vec<String> {
    let known = |name: &&str| detloss::losses::find(name).is_ok_and(fits);
    DEFAULTS.into_iter().filter(known).map(str::to_owned).collect()
}

/// A prediction of a logit with the error of its box.
fn takes_errors(entry: &Entry) -> bool {
    entry.signature.pred == Kind::LogitWithError
}

/// What the scores should say, as this loss takes it.
fn labels(entry: &Entry, scores: &Scores) -> Vec<f32> {
    let is_of_quality = OF_QUALITIES.contains(&entry.name);
    let label = |iou: &Option<f32>| match iou {
        Some(iou) if is_of_quality => *iou,
        Some(_) => 1.0,
        None => 0.0,
    };
    scores.ious.iter().map(label).collect()
}

/// How badly each positive is located, from 0 for a perfect box to 1 for one that only just counts.
fn errors(scores: &Scores) -> Vec<f32> {
    let least = LEAST_IOU as f32;
    let error = |iou: &Option<f32>| iou.map_or(0.0, |iou| (1.0 - iou) / (1.0 - least));
    scores.ious.iter().map(error).collect()
}

#[cfg(test)]
mod tests;
