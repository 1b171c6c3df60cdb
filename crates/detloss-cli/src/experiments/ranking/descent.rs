//! Steps of equal length down a loss.

use std::time::Instant;

use detloss::Batch;
use detloss::batch::Kernel;
use detloss::loss::Scope;
use detloss::losses::Entry;

use super::{Scores, errors, labels, takes_errors};

/// How far every positive would move in a step that moves nothing else.
pub(crate) const STEP: f64 = 0.1;

/// How it went with a loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    /// The average precision before the first step, and after each.
    pub(crate) precision: Vec<f64>,
    /// The value of the loss at the same places.
    pub(crate) values: Vec<f64>,
    /// The logits in the end.
    pub(crate) logits: Vec<f32>,
    /// The mean time of a value with its gradient.
    pub(crate) seconds: f64,
}

impl Course {
    /// The mean precision over all steps: the area under the curve.
    pub(crate) fn area(&self) -> f64 {
        let after = &self.precision[1..];
        after.iter().sum::<f64>() / after.len().max(1) as f64
    }

    /// After how many steps the precision is first at least `wanted`.
    pub(crate) fn reaches(&self, wanted: f64) -> Option<usize> {
        self.precision.iter().position(|&precision| precision >= wanted)
    }
}

/// Moves the scores down a loss; `done` is told of every step.
///
/// A step is −ρ g / ‖g‖, the Euclidean length ρ being [`STEP`] · √positives whatever the loss: as far as moving each positive by
/// STEP and nothing else. What a loss spends on easy negatives it has not got for the others. The length depends on no negative,
/// so that ten times as many easy ones make no step longer. Where the gradient is 0, or none, the scores rest.
pub(crate) fn run(
    loss: &(impl Kernel + ?Sized),
    entry: &Entry,
    scores: &Scores,
    iterations: usize,
    done: impl Fn(),
) -> detloss::Result<Course> {
    let fields = entry.signature.pred.fields().len();
    let labels = labels(entry, scores);
    let mut pred = vec![0.0; fields * scores.logits.len()];
    if takes_errors(entry) {
        for (fields, error) in pred.chunks_exact_mut(fields).zip(errors(scores)) {
            fields[1] = error;
        }
    }
    let mut logits = scores.logits.clone();
    let mut gradient = vec![0.0_f32; pred.len()];
    let length = STEP * (scores.positives() as f64).sqrt();
    let (mut precision, mut values, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    for iteration in 0..=iterations {
        for (fields, &logit) in pred.chunks_exact_mut(fields).zip(&logits) {
            fields[0] = logit;
        }
        let mut batch = Batch::new(&pred, &labels);
        if let (Scope::Set, Some(classes)) = (entry.signature.scope, &scores.classes) {
            batch = batch.groups(classes);
        }
        let start = Instant::now();
        // Each step sees the whole set: there is no state.
        values.push(batch.value_and_grad_into(loss, &mut gradient)?);
        seconds += start.elapsed().as_secs_f64();
        precision.push(scores.precision(&logits));
        if iteration < iterations {
            let slopes = || gradient.chunks_exact(fields).map(|fields| f64::from(fields[0]));
            let norm = slopes().map(|slope| slope * slope).sum::<f64>().sqrt();
            if norm > 0.0 && norm.is_finite() {
                for (logit, slope) in logits.iter_mut().zip(slopes()) {
                    *logit -= (length * slope / norm) as f32;
                }
            }
            done();
        }
    }
    Ok(Course { precision, values, logits, seconds: seconds / (iterations + 1) as f64 })
}
