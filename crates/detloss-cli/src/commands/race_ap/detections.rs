//! The scores of a real detector.

use std::collections::HashMap;
use std::path::Path;

use detloss_coco::{self as coco, GroundTruth, MATCH, Options, Outcome, Role};

use crate::experiments::ranking::Scores;
use crate::input;
use crate::output::{CliError, say};
use crate::score::Clamped;

/// The detections that count, as logits: those matched to an object are the positives.
pub(super) fn read(
    truth: &Path,
    found: &Path,
    per_class: bool,
) -> Result<(String, Scores), CliError> {
    let words = format!("the detections of {}", found.display());
    let truth: GroundTruth = input::ground_truth(truth, Role::Validation)?;
    let found = input::results(found, &truth)?;
    let index: HashMap<u64, i64> = truth.categories.keys().copied().zip(0..).collect();
    let (mut scores, mut classes, mut clamped) =
        (Scores::default(), Vec::new(), Clamped::default());
    let outcomes = coco::assign(&truth, &found, &Options::default()).outcomes;
    for (detection, outcome) in found.iter().zip(outcomes) {
        let iou = match outcome {
            Outcome::Object { iou, .. } => Some(iou as f32),
            Outcome::Background => None,
            Outcome::Crowd | Outcome::BeyondLimit | Outcome::LeftOut => continue,
        };
        scores.ious.push(iou);
        scores.logits.push(clamped.logit(detection.score) as f32);
        classes.push(index[&detection.category]);
    }
    if scores.positives() == 0 {
        return Err(CliError::Failure(anyhow::anyhow!(
            "{words}: none overlaps an object of its class by {MATCH}; there is nothing to rank first: are the files of the \
             same images?"
        )));
    }
    let note = clamped.note();
    if !note.is_empty() {
        say(note);
    }
    if per_class {
        scores.classes = Some(classes);
    }
    Ok((words, scores))
}
