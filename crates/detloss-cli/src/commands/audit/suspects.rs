//! Annotations that look wrong, because a sure detector disagrees with them.

use std::collections::HashMap;

use detloss_coco::{Bbox, Outcome};

use super::measure::{Audit, Over};

/// From this score on a detector is sure.
pub(super) const SURE: f64 = 0.5;
/// A match that AP75 would not count is loose.
pub(super) const LOOSE: f64 = 0.75;
/// Boxes that overlap less have nothing to do with one another.
pub(super) const NEAR: f64 = 0.1;

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Nothing is annotated there.
    Missing,
    /// The box is annotated elsewhere.
    Sloppy,
    /// Something else is annotated there.
    Mislabelled,
}

impl Suspicion {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Missing => "missing annotation?",
            Self::Sloppy => "sloppy box?",
            Self::Mislabelled => "wrong label?",
        }
    }
}

/// A sure detection with the annotation it disagrees with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Suspect {
    pub(super) detection: usize,
    pub(super) suspicion: Suspicion,
    /// The annotation that looks wrong, with the overlap; none where it is missing.
    pub(super) annotation: Option<(usize, f64)>,
    /// Score times loss, the loss as a multiple of the mean loss.
    pub(super) weight: f64,
}

/// All suspects, the heaviest first.
pub(super) fn suspects(audit: &Audit<impl Bbox>) -> Vec<Suspect> {
    let neighbours = Neighbours::new(audit);
    let sure = (0..audit.found.len()).filter(|&detection| audit.found[detection].score >= SURE);
    let mut suspects: Vec<Suspect> = sure
        .filter_map(|detection| {
            let (suspicion, annotation) = match audit.evaluation.assignment.outcomes[detection] {
                Outcome::Object { annotation, iou } if iou < LOOSE => {
                    (Suspicion::Sloppy, Some((annotation, iou)))
                }
                Outcome::Background => neighbours.explain(detection)?,
                _ => return None,
            };
            let over = if audit.object(detection).is_some() { Over::Pairs } else { Over::Scores };
            let weight = audit.found[detection].score * times_the_mean(audit, over, detection);
            Some(Suspect { detection, suspicion, annotation, weight })
        })
        .collect();
    suspects.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    suspects
}

/// The loss of a detection as a multiple of the mean; 1 where no loss of that kind is measured.
fn times_the_mean(audit: &Audit<impl Bbox>, over: Over, detection: usize) -> f64 {
    if audit.of_kind(over).next().is_none() {
        return 1.0;
    }
    audit.share(over, detection) * audit.units(over).len() as f64
}

/// The objects by image.
struct Neighbours<'a, B> {
    audit: &'a Audit<B>,
    objects: HashMap<u64, Vec<usize>>,
    missed: Vec<bool>,
}

impl<'a, B: Bbox> Neighbours<'a, B> {
    fn new(audit: &'a Audit<B>) -> Self {
        let mut objects: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, object) in audit.truth.annotations.iter().enumerate() {
            if !object.crowd {
                objects.entry(object.image).or_default().push(index);
            }
        }
        let mut missed = vec![false; audit.truth.annotations.len()];
        for &object in audit.missed() {
            missed[object] = true;
        }
        Self { audit, objects, missed }
    }

    /// What may be wrong where a detector sees something that is not annotated; nothing if it only says twice what is.
    fn explain(&self, detection: usize) -> Option<(Suspicion, Option<(usize, f64)>)> {
        let found = &self.audit.found[detection];
        let (mut duplicate, mut other, mut loose) = (false, None, None);
        let keep = |best: &mut Option<(usize, f64)>, object, overlap| {
            if best.is_none_or(|(_, most)| overlap > most) {
                *best = Some((object, overlap));
            }
        };
        for &object in self.objects.get(&found.image).into_iter().flatten() {
            let annotation = &self.audit.truth.annotations[object];
            let overlap = found.bbox.iou(annotation.bbox, false);
            match (
                annotation.category == found.category,
                overlap >= self.audit.evaluation.options.iou(),
            ) {
                (true, true) => duplicate = true,
                (false, true) => keep(&mut other, object, overlap),
                (true, false) if overlap >= NEAR && self.missed[object] => {
                    keep(&mut loose, object, overlap);
                }
                _ => {}
            }
        }
        match (other, loose) {
            _ if duplicate => None,
            (Some(_), _) => Some((Suspicion::Mislabelled, other)),
            (None, Some(_)) => Some((Suspicion::Sloppy, loose)),
            (None, None) => Some((Suspicion::Missing, None)),
        }
    }
}
