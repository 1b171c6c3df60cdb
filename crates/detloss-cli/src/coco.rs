//! COCO boxes: reading annotations and results, assigning detections to objects, average precision.
//!
//! Only what box losses need is kept of a file. Ids are those of the files; indices are positions in
//! [`GroundTruth::annotations`] and in the slice of detections.

mod ap;
mod assign;
mod bbox;
mod matching;
mod raw;
mod read;
mod score;
mod size;

pub(crate) use ap::{Summary, evaluate};
pub(crate) use assign::{Assignment, Outcome, assign};
pub(crate) use bbox::{Bbox, RotatedBox, Xywh};
#[cfg(feature = "train")]
pub(crate) use read::{ReadError, read_usable};
pub(crate) use read::{read_ground_truth, read_results};
pub(crate) use score::Clamped;
pub(crate) use size::Size;

use std::collections::BTreeMap;

/// The most detections per image and category that COCO looks at, best scores first.
pub(crate) const MAX_DETECTIONS: usize = 100;

/// How well a detection has to overlap an object to be matched to it.
pub(crate) const MATCH: f64 = 0.5;

/// One annotated object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Annotation<B = Xywh> {
    /// The annotation's own id, if the file gives one.
    pub id: Option<u64>,
    /// The image it lies in.
    pub image: u64,
    /// What it is.
    pub category: u64,
    /// Where it is.
    pub bbox: B,
    /// Its area in pixels: that of the mask where the file has it, else that of the box.
    pub area: f64,
    /// A group too dense to box one by one; detections inside count neither for nor against.
    pub crowd: bool,
}

/// One detection of a results file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detection<B = Xywh> {
    /// The image it was found in.
    pub image: u64,
    /// What it is said to be.
    pub category: u64,
    /// Where it is said to be.
    pub bbox: B,
    /// How sure the detector is; only the order matters.
    pub score: f64,
}

/// The annotations of a dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GroundTruth<B = Xywh> {
    /// Image id to file name (empty where the file gives none).
    pub images: BTreeMap<u64, String>,
    /// Image id to width and height in pixels, where the file gives both.
    pub sizes: BTreeMap<u64, [f64; 2]>,
    /// Category id to name; from the annotations alone where the file lists no categories.
    pub categories: BTreeMap<u64, String>,
    /// Every object, in file order.
    pub annotations: Vec<Annotation<B>>,
}

impl<B> GroundTruth<B> {
    /// The file of an image, or its id where it has none.
    pub(crate) fn file(&self, image: u64) -> String {
        match self.images.get(&image) {
            Some(file) if !file.is_empty() => file.clone(),
            _ => format!("image {image}"),
        }
    }
}

/// Intersection over union, by COCO's rule for crowds: those are compared by the share of the
/// detection that lies inside.
pub(crate) fn iou(detection: Xywh, object: Xywh, crowd: bool) -> f64 {
    let side = |axis: usize| {
        let end = (detection[axis] + detection[axis + 2]).min(object[axis] + object[axis + 2]);
        (end - detection[axis].max(object[axis])).max(0.0)
    };
    let meet = side(0) * side(1);
    let area = detection[2] * detection[3];
    let union = if crowd { area } else { area + object[2] * object[3] - meet };
    if union > 0.0 { meet / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_share_a_quarter_have_the_iou_of_hand_arithmetic() {
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0], false), 1.0 / 7.0);
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0], false), 0.0);
    }

    #[test]
    fn a_detection_inside_a_crowd_overlaps_it_fully() {
        assert_eq!(iou([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 10.0, 10.0], true), 1.0);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        assert_eq!(iou([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], false), 0.0);
        assert_eq!(iou([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], true), 0.0);
    }
}
