//! The greedy matching of one image and category, shared by [`super::assign`] and [`super::ap`].

use rayon::prelude::*;

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::options::Options;

/// The detections and objects of one category in one image, as indices.
#[derive(Default)]
pub(super) struct Group {
    /// Best score first; equal scores keep their order in the file.
    pub(super) detections: Vec<usize>,
    pub(super) objects: Vec<usize>,
}

/// Everything that is looked at by (category, image), in the order in which COCO walks it.
pub(super) fn groups<B: Bbox>(
    truth: &GroundTruth<B>,
    found: &[Detection<B>],
    options: &Options,
) -> Vec<((u64, u64), Group)> {
    let objects = truth.annotations.iter().enumerate();
    let objects = objects.filter(|(_, object)| options.has_class(object.category));
    let objects = objects.map(|(index, object)| ((object.category, object.image), index, false));
    let detections = found.iter().enumerate();
    let detections = detections.filter(|(_, it)| options.has(it.category, it.score));
    let detections = detections.map(|(index, it)| ((it.category, it.image), index, true));
    let mut all: Vec<((u64, u64), usize, bool)> = objects.chain(detections).collect();
    // Files are mostly in the order of images: sorting a list is several times faster than a tree.
    all.par_sort_by_key(|&(key, ..)| key);
    let group = |members: &[((u64, u64), usize, bool)]| {
        let mut group = Group::default();
        for &(_, index, is_detection) in members {
            if is_detection { &mut group.detections } else { &mut group.objects }.push(index);
        }
        group.detections.sort_by(|&a, &b| found[b].score.total_cmp(&found[a].score));
        (members[0].0, group)
    };
    all.chunk_by(|a, b| a.0 == b.0).map(group).collect()
}

/// How the detections of a group overlap its objects.
pub(super) struct Overlaps {
    ious: Vec<f64>,
    crowd: Vec<bool>,
}

impl Overlaps {
    /// Compares the best `most` detections with every object.
    pub(super) fn of<B: Bbox>(
        group: &Group,
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
        most: usize,
    ) -> Self {
        let best = group.detections.iter().take(most);
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
            // Rounding may keep equal boxes from an IoU of 1.
            let mut bar = threshold.min(1.0 - 1e-10);
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
