//! Which object each detection is charged with.

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::matching::{Overlaps, groups};
use crate::options::Options;

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
    /// Too many of its image and category score better ([`Options::max_detections`]), so COCO does not look.
    BeyondLimit,
    /// Its score or its category is not looked at.
    LeftOut,
}

/// Detections and objects brought together.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One outcome per detection, in their order.
    pub outcomes: Vec<Outcome>,
    /// The objects nobody found, crowds and categories that are not looked at aside: indices in [`GroundTruth::annotations`],
    /// ascending.
    pub missed: Vec<usize>,
}

/// Assigns `detections` to the objects of `truth` by COCO's rules: within an image and category,
/// best score first, each takes the free object it overlaps most, if by [`Options::iou`] or more.
pub fn assign<B: Bbox>(
    truth: &GroundTruth<B>,
    detections: &[Detection<B>],
    options: &Options,
) -> Assignment {
    let mut outcomes = vec![Outcome::LeftOut; detections.len()];
    let mut found = vec![false; truth.annotations.len()];
    for (_, group) in &groups(truth, detections, options) {
        let overlaps = Overlaps::of(group, truth, detections, options.max_detections);
        let crowd: Vec<bool> = group.objects.iter().map(|&o| truth.annotations[o].crowd).collect();
        let count = group.detections.len().min(options.max_detections);
        for &detection in &group.detections[count..] {
            outcomes[detection] = Outcome::BeyondLimit;
        }
        let matches = overlaps.matches(count, &crowd, options.iou());
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
    let is_missed = |&index: &usize| {
        let object = &truth.annotations[index];
        !found[index] && !object.crowd && options.has_class(object.category)
    };
    let missed = (0..found.len()).filter(is_missed).collect();
    Assignment { outcomes, missed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotation, MAX_DETECTIONS, Xywh};

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
        let assignment = assign(&truth, &found, &Options::default());
        let taken = Outcome::Object { annotation: 0, iou: 0.8 };
        assert_eq!(assignment.outcomes, [Outcome::Background, taken]);
        assert!(assignment.missed.is_empty());
    }

    #[test]
    fn of_equal_scores_the_first_in_the_file_goes_first() {
        let truth = truth(vec![object(HERE, false)]);
        let found = [detection(SHIFTED, 0.5), detection(HERE, 0.5)];
        let outcomes = assign(&truth, &found, &Options::default()).outcomes;
        assert_eq!(outcomes[1], Outcome::Background);
    }

    #[test]
    fn nothing_is_assigned_across_categories_or_images() {
        let truth = truth(vec![object(HERE, false)]);
        let other_category = Detection { category: 2, ..detection(HERE, 0.9) };
        let other_image = Detection { image: 2, ..detection(HERE, 0.9) };
        let assignment = assign(&truth, &[other_category, other_image], &Options::default());
        assert_eq!(assignment.outcomes, [Outcome::Background; 2]);
        assert_eq!(assignment.missed, [0]);
    }

    #[test]
    fn a_crowd_takes_any_number_and_is_never_missed() {
        let truth = truth(vec![object(HERE, true), object(AWAY, true)]);
        let inside = [1.0, 1.0, 2.0, 2.0];
        let found = [detection(inside, 0.9), detection(inside, 0.8), detection(HERE, 0.7)];
        let assignment = assign(&truth, &found, &Options::default());
        assert_eq!(assignment.outcomes, [Outcome::Crowd; 3]);
        assert!(assignment.missed.is_empty());
    }

    #[test]
    fn an_object_is_preferred_to_a_crowd_that_overlaps_more() {
        let truth = truth(vec![object([0.0, 0.0, 100.0, 100.0], true), object(SHIFTED, false)]);
        let outcomes = assign(&truth, &[detection(HERE, 0.9)], &Options::default()).outcomes;
        assert_eq!(outcomes, [Outcome::Object { annotation: 1, iou: 0.8 }]);
    }

    #[test]
    fn the_hundred_and_first_detection_is_not_looked_at() {
        let truth = truth(vec![object(HERE, false)]);
        let mut found = vec![detection(AWAY, 0.9); MAX_DETECTIONS];
        found.push(detection(HERE, 0.1));
        let assignment = assign(&truth, &found, &Options::default());
        assert_eq!(assignment.outcomes[MAX_DETECTIONS], Outcome::BeyondLimit);
        assert_eq!(assignment.missed, [0]);
    }

    #[test]
    fn without_detections_every_object_is_missed() {
        let truth = truth(vec![object(HERE, false), object(AWAY, false)]);
        assert_eq!(assign(&truth, &[], &Options::default()).missed, [0, 1]);
    }

    #[test]
    fn what_is_not_looked_at_neither_finds_nor_is_missed() {
        let mut other = object(AWAY, false);
        other.category = 2;
        let truth = truth(vec![object(HERE, false), other]);
        let found = [detection(HERE, 0.2), Detection { category: 2, ..detection(AWAY, 0.9) }];
        let options = Options { score: Some(0.5), ..Options::default() };
        let assignment = assign(&truth, &found, &options);
        assert_eq!(assignment.outcomes[0], Outcome::LeftOut);
        assert_eq!(assignment.missed, [0]);
        let options = Options { classes: Some(vec![1]), ..Options::default() };
        let assignment = assign(&truth, &found, &options);
        assert_eq!(assignment.outcomes[1], Outcome::LeftOut);
        assert!(assignment.missed.is_empty());
    }
}
