//! COCO boxes: reading annotations and results, assigning detections to objects, average precision.
//!
//! Only what box losses need is kept of a file. Ids are those of the files; indices are positions in
//! [`GroundTruth::annotations`] and in the slice of detections.

mod ap;
mod assign;
mod bbox;
mod dataset;
mod matching;
mod raw;
mod read;
mod score;
mod size;

pub(crate) use ap::{Summary, evaluate};
pub(crate) use assign::{Assignment, Outcome, assign};
#[cfg(feature = "train")]
pub(crate) use bbox::iou;
pub(crate) use bbox::{Bbox, RotatedBox, Xywh};
pub(crate) use dataset::{Annotation, Detection, GroundTruth};
pub(crate) use matching::MATCH;
#[cfg(feature = "train")]
pub(crate) use matching::MAX_DETECTIONS;
#[cfg(feature = "train")]
pub(crate) use read::{ReadError, read_usable};
pub(crate) use read::{read_ground_truth, read_results};
pub(crate) use score::Clamped;
pub(crate) use size::Size;
