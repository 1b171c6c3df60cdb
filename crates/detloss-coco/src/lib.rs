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
mod size;

pub use ap::{Metric, Summary, evaluate};
pub use assign::{Assignment, Outcome, assign};
pub use bbox::{Bbox, RotatedBox, Xywh, iou};
pub use dataset::{Annotation, Detection, GroundTruth};
pub use matching::{MATCH, MAX_DETECTIONS};
pub use read::{ReadError, read_ground_truth, read_results, read_usable};
pub use size::Size;
