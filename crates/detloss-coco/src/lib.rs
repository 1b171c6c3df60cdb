//! COCO boxes: reading annotations and results, assigning detections to objects, average precision.
//!
//! Only what box losses need is kept of a file. Indices are positions in
//! [`GroundTruth::annotations`] and in the slice of detections.

mod ap;
mod assign;
mod bbox;
mod dataset;
mod id;
mod matching;
mod problem;
mod read;
mod size;

pub use ap::{Metric, Summary, evaluate};
pub use assign::{Assignment, Outcome, assign};
pub use bbox::{Bbox, RotatedBox, Xywh, iou};
pub use dataset::{Annotation, Detection, GroundTruth};
pub use id::{Id, Ids};
pub use matching::{MATCH, MAX_DETECTIONS};
pub use problem::{Entry, Kind, Place, Problem, Read, Severity};
pub use read::{ReadError, read_ground_truth, read_results};
pub use size::Size;
