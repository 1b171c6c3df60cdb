//! The greedy matching of one image and category, shared by [`super::assign`] and [`super::ap`].

use std::collections::BTreeMap;

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};

/// The most detections per image and category that COCO looks at, best scores first.
pub const MAX_DETECTIONS: usize = 100;

/// How well a detection has to overlap an object to be matched to it.
pub const MATCH: f64 = 0.5;

/// The detections and objects of one category in one image, as indices.
#[derive(Default)]
pub(super) struct Group {
    /// Best score first; equal scores keep their order in the file.
    pub(super) detections: Vec<usize>,
    pub(super) objects: Vec<usize>,
}

/// Everything by (category, image), in the order in which COCO walks it.
pub(super) fn groups<B>(
    truth: &GroundTruth<B>,
    found: &[Detection<B>],
) -> BTreeMap<(u64, u64), Group> {
    let mut groups: BTreeMap<(u64, u64), Group> = BTreeMap::new();
    for (index, object) in truth.annotations.iter().enumerate() {
        groups.entry((object.category, object.image)).or_default().objects.push(index);
    }
    for (index, detection) in found.iter().enumerate() {
        let key = (detection.category, detection.image);
        groups.entry(key).or_default().detections.push(index);
    }
    for group in groups.values_mut() {
        group.detections.sort_by(|&a, &b| found[b].score.total_cmp(&found[a].score));
    }
    groups
}

/// How the detections of a group overlap its objects.
pub(super) struct Overlaps {
    ious: Vec<f64>,
    crowd: Vec<bool>,
}

impl Overlaps {
    /// Compares the best [`MAX_DETECTIONS`] detections with every object.
    pub(super) fn of<B: Bbox>(
        group: &Group,
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
    ) -> Self {
        let best = group.detections.iter().take(MAX_DETECTIONS);
        let detections: Vec<B> = best.map(|&detection| found[detection].bbox).collect();
        let objects = group.objects.iter().map(|&index| &truth.annotations[index]);
        let objects: Vec<_> = objects.map(|object| (object.bbox, object.crowd)).collect();
        let crowd = objects.iter().map(|&(_, crowd)| crowd).collect();
        Self { ious: B::ious(&detections, &objects), crowd }
    }

    /// The overlap of the group's detection `d` and object `o`.
    pub(super) fn iou(&self, d: usize, o: usize) -> f64 {
        self.ious[d * self.crowd.len() + o]
    }

    /// For each of `count` detections, the object it takes at this threshold.
    ///
    /// Each takes the best object still free. One that is `ignored` is taken only if no other will
    /// do, and a crowd may be taken many times. Of equal overlaps the later object wins, as in COCO.
    pub(super) fn matches(
        &self,
        count: usize,
        ignored: &[bool],
        threshold: f64,
    ) -> Vec<Option<usize>> {
        let objects = 0..ignored.len();
        let order: Vec<usize> = objects
            .clone()
            .filter(|&o| !ignored[o])
            .chain(objects.filter(|&o| ignored[o]))
            .collect();
        let mut taken = vec![false; ignored.len()];
        let mut take = |d: usize| {
            let mut best: Option<usize> = None;
            let mut bar = threshold;
            for &o in &order {
                if taken[o] && !self.crowd[o] {
                    continue;
                }
                if ignored[o] && best.is_some_and(|best| !ignored[best]) {
                    break;
                }
                if self.iou(d, o) >= bar {
                    bar = self.iou(d, o);
                    best = Some(o);
                }
            }
            if let Some(o) = best {
                taken[o] = true;
            }
            best
        };
        (0..count).map(&mut take).collect()
    }
}
