//! Which object each detection is charged with.

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::matching::{MAX_DETECTIONS, Overlaps, groups};

/// What became of one detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It found an object.
    Object {
        /// The object's index in [`GroundTruth::annotations`].
        annotation: usize,
        /// How well the boxes overlap.
        iou: f64,
    },
    /// It found none, or one that a better detection had taken.
    Background,
    /// It lies in a crowd and counts neither for nor against.
    Crowd,
    /// More than [`MAX_DETECTIONS`] of its image and category score better, so COCO does not look.
    BeyondLimit,
}

/// Detections and objects brought together.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One outcome per detection, in their order.
    pub outcomes: Vec<Outcome>,
    /// The objects nobody found, crowds aside: indices in [`GroundTruth::annotations`], ascending.
    pub missed: Vec<usize>,
}

/// Assigns `detections` to the objects of `truth` by COCO's rules: within an image and category,
/// best score first, each takes the free object it overlaps most, if by `threshold` or more.
pub fn assign<B: Bbox>(
    truth: &GroundTruth<B>,
    detections: &[Detection<B>],
    threshold: f64,
) -> Assignment {
    let mut outcomes = vec![Outcome::BeyondLimit; detections.len()];
    let mut found = vec![false; truth.annotations.len()];
    for group in groups(truth, detections).values() {
        let overlaps = Overlaps::of(group, truth, detections);
        let crowd: Vec<bool> = group.objects.iter().map(|&o| truth.annotations[o].crowd).collect();
        let count = group.detections.len().min(MAX_DETECTIONS);
        let matches = overlaps.matches(count, &crowd, threshold);
        for (d, (&detection, object)) in group.detections.iter().zip(matches).enumerate() {
            outcomes[detection] = match object {
                None => Outcome::Background,
                Some(o) if crowd[o] => Outcome::Crowd,
                Some(o) => {
                    let annotation = group.objects[o];
                    found[annotation] = true;
                    Outcome::Object { annotation, iou: overlaps.iou(d, o) }
                }
            };
        }
    }
    let is_missed = |&index: &usize| !found[index] && !truth.annotations[index].crowd;
    let missed = (0..found.len()).filter(is_missed).collect();
    Assignment { outcomes, missed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotation, Xywh};

    fn object(bbox: Xywh, crowd: bool) -> Annotation {
        Annotation { id: None, image: 1, category: 1, bbox, area: bbox[2] * bbox[3], crowd }
    }

    fn detection(bbox: Xywh, score: f64) -> Detection {
        Detection { image: 1, category: 1, bbox, score }
    }

    fn truth(annotations: Vec<Annotation>) -> GroundTruth {
        GroundTruth { annotations, ..GroundTruth::default() }
    }

    const HERE: Xywh = [0.0, 0.0, 10.0, 10.0];
    const SHIFTED: Xywh = [0.0, 0.0, 10.0, 8.0];
    const AWAY: Xywh = [50.0, 50.0, 10.0, 10.0];

    #[test]
    fn the_better_score_takes_the_object_even_with_the_worse_box() {
        let truth = truth(vec![object(HERE, false)]);
        let found = [detection(HERE, 0.3), detection(SHIFTED, 0.9)];
        let assignment = assign(&truth, &found, 0.5);
        let taken = Outcome::Object { annotation: 0, iou: 0.8 };
        assert_eq!(assignment.outcomes, [Outcome::Background, taken]);
        assert!(assignment.missed.is_empty());
    }

    #[test]
    fn of_equal_scores_the_first_in_the_file_goes_first() {
        let truth = truth(vec![object(HERE, false)]);
        let found = [detection(SHIFTED, 0.5), detection(HERE, 0.5)];
        let outcomes = assign(&truth, &found, 0.5).outcomes;
        assert_eq!(outcomes[1], Outcome::Background);
    }

    #[test]
    fn nothing_is_assigned_across_categories_or_images() {
        let truth = truth(vec![object(HERE, false)]);
        let other_category = Detection { category: 2, ..detection(HERE, 0.9) };
        let other_image = Detection { image: 2, ..detection(HERE, 0.9) };
        let assignment = assign(&truth, &[other_category, other_image], 0.5);
        assert_eq!(assignment.outcomes, [Outcome::Background; 2]);
        assert_eq!(assignment.missed, [0]);
    }

    #[test]
    fn a_crowd_takes_any_number_and_is_never_missed() {
        let truth = truth(vec![object(HERE, true), object(AWAY, true)]);
        let inside = [1.0, 1.0, 2.0, 2.0];
        let found = [detection(inside, 0.9), detection(inside, 0.8), detection(HERE, 0.7)];
        let assignment = assign(&truth, &found, 0.5);
        assert_eq!(assignment.outcomes, [Outcome::Crowd; 3]);
        assert!(assignment.missed.is_empty());
    }

    #[test]
    fn an_object_is_preferred_to_a_crowd_that_overlaps_more() {
        let truth = truth(vec![object([0.0, 0.0, 100.0, 100.0], true), object(SHIFTED, false)]);
        let outcomes = assign(&truth, &[detection(HERE, 0.9)], 0.5).outcomes;
        assert_eq!(outcomes, [Outcome::Object { annotation: 1, iou: 0.8 }]);
    }

    #[test]
    fn the_hundred_and_first_detection_is_not_looked_at() {
        let truth = truth(vec![object(HERE, false)]);
        let mut found = vec![detection(AWAY, 0.9); MAX_DETECTIONS];
        found.push(detection(HERE, 0.1));
        let assignment = assign(&truth, &found, 0.5);
        assert_eq!(assignment.outcomes[MAX_DETECTIONS], Outcome::BeyondLimit);
        assert_eq!(assignment.missed, [0]);
    }

    #[test]
    fn without_detections_every_object_is_missed() {
        let truth = truth(vec![object(HERE, false), object(AWAY, false)]);
        assert_eq!(assign(&truth, &[], 0.5).missed, [0, 1]);
    }
}
