//! A made-up detector at the beginning of its training.

use super::{LEAST_IOU, Scores};
use crate::random::Random;

/// The mean logit of positives above that of negatives, in standard deviations of either.
const LEAD: f64 = 1.0;
/// One negative of so many is hard: it looks like an object.
const HARD: usize = 50;
/// The mean logit and the spread of hard negatives.
const HARD_LOGIT: (f64, f64) = (1.5, 0.5);
/// How well scores know the quality of boxes: their correlation, before the quality is bent into its range.
const KNOWLEDGE: f64 = 0.5;

/// Scores of `positives` objects and `negatives` places without, all around a logit of 0 as without a prior: the negatives normal,
/// the positives normal too, but a little higher, and a few negatives higher than most positives.
pub(crate) fn synthetic(positives: usize, negatives: usize, seed: u64) -> Scores {
    let mut random = Random::new(seed);
    let mut scores = Scores::default();
    for _ in 0..positives {
        let [score, chance] = [random.normal(), random.normal()];
        let quality = KNOWLEDGE * score + (1.0 - KNOWLEDGE * KNOWLEDGE).sqrt() * chance;
        // Close to the share of a normal distribution that lies below the quality.
        let share = 1.0 / (1.0 + (-1.702 * quality).exp());
        scores.logits.push((LEAD + score) as f32);
        scores.ious.push(Some((LEAST_IOU + (1.0 - LEAST_IOU) * share) as f32));
    }
    for index in 0..negatives {
        let (mean, spread) = if index % HARD == HARD - 1 { HARD_LOGIT } else { (0.0, 1.0) };
        scores.logits.push((mean + spread * random.normal()) as f32);
        scores.ious.push(None);
    }
    scores
}
