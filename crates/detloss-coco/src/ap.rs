//! COCO's average precision and recall of boxes.

use std::collections::BTreeMap;

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::matching::{Group, MAX_DETECTIONS, Overlaps, groups};

/// One number of COCO's summary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its usual name, such as `AP50`.
    pub name: &'static str,
    /// From 0 to 1; none where the dataset has no object to find.
    pub value: Option<f64>,
}

/// COCO's twelve numbers in their usual order.
pub type Summary = [Metric; 12];

/// The number of IoU thresholds, 0.50 to 0.95.
const THRESHOLDS: usize = 10;
/// The number of recalls at which precision is read off.
const RECALLS: usize = 101;

/// Smallest and largest area in pixels that counts.
type AreaRange = [f64; 2];

const ANY: AreaRange = [0.0, 1e10];
const SMALL: AreaRange = [0.0, 32.0 * 32.0];
const MEDIUM: AreaRange = [32.0 * 32.0, 96.0 * 96.0];
const LARGE: AreaRange = [96.0 * 96.0, 1e10];

/// Evaluates `detections` against `truth` as COCO's server does.
pub fn evaluate<B: Bbox>(truth: &GroundTruth<B>, detections: &[Detection<B>]) -> Summary {
    let mut categories: BTreeMap<u64, Vec<(Group, Overlaps)>> = BTreeMap::new();
    for ((category, _), group) in groups(truth, detections) {
        let overlaps = Overlaps::of(&group, truth, detections);
        categories.entry(category).or_default().push((group, overlaps));
    }
    let mut scores = [const { Vec::new() }; 6];
    for images in categories.values() {
        for (area, slots) in [
            (ANY, &[(1, 0), (10, 1), (MAX_DETECTIONS, 2)][..]),
            (SMALL, &[(MAX_DETECTIONS, 3)]),
            (MEDIUM, &[(MAX_DETECTIONS, 4)]),
            (LARGE, &[(MAX_DETECTIONS, 5)]),
        ] {
            let category = Category::evaluate(images, area, truth, detections);
            for &(limit, slot) in slots {
                scores[slot].extend(category.score(limit));
            }
        }
    }
    let [one, ten, all, small, medium, large] = &scores;
    let mean = |scores: &[Score], of: &dyn Fn(&Score) -> f64| {
        let sum: f64 = scores.iter().map(of).sum();
        (!scores.is_empty()).then(|| sum / scores.len() as f64)
    };
    let ap =
        |scores: &[Score]| mean(scores, &|s| s.precision.iter().sum::<f64>() / THRESHOLDS as f64);
    let ap_at = |t: usize| mean(all, &|s| s.precision[t]);
    let ar = |scores: &[Score]| mean(scores, &|s| s.recall.iter().sum::<f64>() / THRESHOLDS as f64);
    [
        ("AP", ap(all)),
        ("AP50", ap_at(0)),
        ("AP75", ap_at(5)),
        ("APs", ap(small)),
        ("APm", ap(medium)),
        ("APl", ap(large)),
        ("AR1", ar(one)),
        ("AR10", ar(ten)),
        ("AR100", ar(all)),
        ("ARs", ar(small)),
        ("ARm", ar(medium)),
        ("ARl", ar(large)),
    ]
    .map(|(name, value)| Metric { name, value })
}

/// Average precision and final recall of one category, at each IoU threshold.
struct Score {
    precision: [f64; THRESHOLDS],
    recall: [f64; THRESHOLDS],
}

/// One detection with its verdict at every threshold, a bit each.
struct Judged {
    score: f64,
    /// How many detections of its image and category score better.
    rank: usize,
    matched: u16,
    ignored: u16,
}

/// All detections of a category, best score first, for one range of areas.
struct Category {
    judged: Vec<Judged>,
    objects: usize,
}

impl Category {
    fn evaluate<B: Bbox>(
        images: &[(Group, Overlaps)],
        [low, high]: AreaRange,
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
    ) -> Self {
        let outside = |area: f64| area < low || area > high;
        let mut judged = Vec::new();
        let mut objects = 0;
        for (group, overlaps) in images {
            let ignored = |&index: &usize| {
                let object = &truth.annotations[index];
                object.crowd || outside(object.area)
            };
            let ignored: Vec<bool> = group.objects.iter().map(ignored).collect();
            objects += ignored.iter().filter(|&&ignored| !ignored).count();

            let first = judged.len();
            let looked_at = group.detections.iter().take(MAX_DETECTIONS).enumerate();
            judged.extend(looked_at.map(|(rank, &index)| {
                let Detection { bbox, score, .. } = found[index];
                // Unless it finds an object, a detection of another size is nobody's business.
                let ignored = if outside(bbox.area()) { u16::MAX } else { 0 };
                Judged { score, rank, matched: 0, ignored }
            }));
            let judged = &mut judged[first..];
            for (t, threshold) in thresholds().enumerate() {
                let matches = overlaps.matches(judged.len(), &ignored, threshold);
                for (detection, object) in judged.iter_mut().zip(matches) {
                    if let Some(o) = object {
                        detection.matched |= 1 << t;
                        detection.ignored &= !(1 << t);
                        detection.ignored |= u16::from(ignored[o]) << t;
                    }
                }
            }
        }
        judged.sort_by(|a, b| b.score.total_cmp(&a.score));
        Self { judged, objects }
    }

    /// The score of the best `limit` detections per image; none without an object to find.
    fn score(&self, limit: usize) -> Option<Score> {
        if self.objects == 0 {
            return None;
        }
        let mut score = Score { precision: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
        for t in 0..THRESHOLDS {
            let mut curve = Vec::new();
            let mut hits = 0;
            let counted = |d: &&Judged| d.rank < limit && d.ignored >> t & 1 == 0;
            for (seen, detection) in self.judged.iter().filter(counted).enumerate() {
                hits += usize::from(detection.matched >> t & 1);
                curve.push((hits as f64 / self.objects as f64, hits as f64 / (seen + 1) as f64));
            }
            score.recall[t] = curve.last().map_or(0.0, |&(recall, _)| recall);
            score.precision[t] = average_precision(&mut curve);
        }
        Some(score)
    }
}

/// The mean over 101 recalls of the best precision at that recall or beyond.
fn average_precision(curve: &mut [(f64, f64)]) -> f64 {
    let mut best = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let read_off = |i: usize| {
        // Written as numpy's linspace rounds it: recalls lie exactly on these values.
        let wanted = i as f64 * 0.01;
        let at = curve.partition_point(|&(recall, _)| recall < wanted);
        curve.get(at).map_or(0.0, |&(_, precision)| precision)
    };
    (0..RECALLS).map(read_off).sum::<f64>() / RECALLS as f64
}

/// 0.50, 0.55, ... 0.95 as numpy's linspace rounds them.
fn thresholds() -> impl Iterator<Item = f64> {
    (0..THRESHOLDS).map(|i| 0.5 + i as f64 * ((0.95 - 0.5) / 9.0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Annotation, read_ground_truth, read_results};

    /// The numbers that the COCO API publishes for its own example.
    const PUBLISHED: [f64; 12] =
        [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564];

    #[test]
    fn the_published_numbers_of_the_coco_api_come_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
        if !folder.exists() {
            println!("skipped: the COCO example is not beside the project");
            return;
        }
        let truth: GroundTruth =
            read_ground_truth(&folder.join("instances_val2014_100.json")).unwrap();
        let found = read_results(&folder.join("fakebbox100_results.json"), &truth).unwrap();
        for (metric, published) in evaluate(&truth, &found).iter().zip(PUBLISHED) {
            let value = metric.value.unwrap();
            assert!((value - published).abs() <= 0.0005, "{}: {value}, {published}", metric.name);
        }
    }

    fn one_object(crowd: bool) -> GroundTruth {
        let bbox = [0.0, 0.0, 10.0, 10.0];
        let object = Annotation { id: None, image: 1, category: 1, bbox, area: 100.0, crowd };
        GroundTruth { annotations: vec![object], ..GroundTruth::default() }
    }

    fn detection(bbox: [f64; 4], score: f64) -> Detection {
        Detection { image: 1, category: 1, bbox, score }
    }

    fn value(summary: &Summary, name: &str) -> Option<f64> {
        summary.iter().find(|metric| metric.name == name).unwrap().value
    }

    #[test]
    fn a_perfect_detection_scores_one_where_there_are_objects_and_nothing_elsewhere() {
        let summary = evaluate(&one_object(false), &[detection([0.0, 0.0, 10.0, 10.0], 0.9)]);
        assert!((value(&summary, "AP").unwrap() - 1.0).abs() < 1e-12);
        assert!((value(&summary, "APs").unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(value(&summary, "APl"), None);
    }

    #[test]
    fn a_false_alarm_with_the_better_score_halves_the_precision() {
        let found =
            [detection([50.0, 50.0, 5.0, 5.0], 0.9), detection([0.0, 0.0, 10.0, 10.0], 0.5)];
        let summary = evaluate(&one_object(false), &found);
        assert!((value(&summary, "AP50").unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(value(&summary, "AR1"), Some(0.0));
        assert_eq!(value(&summary, "AR10"), Some(1.0));
    }

    #[test]
    fn no_detections_score_zero_and_no_objects_score_nothing() {
        assert_eq!(value(&evaluate(&one_object(false), &[]), "AP"), Some(0.0));
        assert_eq!(value(&evaluate(&one_object(true), &[]), "AP"), None);
    }
}
