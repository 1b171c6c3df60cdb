//! What is read off an audit.

use std::collections::BTreeMap;

use detloss_coco::Bbox;

use super::measure::{Audit, Over};
use super::suspects::{Suspect, suspects};
use super::tally::{Tally, tally};

/// What is read off an audit, the worst first.
pub(super) struct Findings {
    pub(super) sizes: BTreeMap<usize, Tally>,
    pub(super) classes: Vec<(u64, Tally)>,
    pub(super) images: Vec<(u64, Tally)>,
    /// Matched detections.
    pub(super) boxes: Vec<usize>,
    pub(super) suspects: Vec<Suspect>,
}

impl Findings {
    pub(super) fn of(audit: &Audit<impl Bbox>) -> Self {
        let annotation = |index: usize| &audit.truth.annotations[index];
        let classes = tally(
            audit,
            audit.evaluation.classes.iter().map(|class| class.key),
            |detection| audit.found[detection].category,
            |object| annotation(object).category,
        );
        let images = tally(
            audit,
            audit.truth.images.keys().copied(),
            |detection| audit.found[detection].image,
            |object| annotation(object).image,
        );
        let sizes = tally(
            audit,
            0..audit.sizes().len(),
            |detection| audit.size(detection),
            |object| audit.size_of(annotation(object).area),
        );
        let mut boxes = audit.units(Over::Pairs).to_vec();
        let share = |&detection: &usize| audit.share(Over::Pairs, detection);
        boxes.sort_by(|a, b| share(b).total_cmp(&share(a)));
        Self {
            sizes,
            classes: worst_first(audit, classes),
            images: worst_first(audit, images),
            boxes,
            suspects: suspects(audit),
        }
    }
}

fn worst_first(audit: &Audit<impl Bbox>, tallies: BTreeMap<u64, Tally>) -> Vec<(u64, Tally)> {
    let mut ranked: Vec<(u64, Tally)> = tallies.into_iter().collect();
    // Equals without any loss: whoever missed more objects is worse.
    ranked.sort_by(|(_, a), (_, b)| {
        b.blame(audit).total_cmp(&a.blame(audit)).then(b.missed.cmp(&a.missed))
    });
    ranked
}
