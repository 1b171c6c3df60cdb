//! COCO boxes: reading annotations and results, assigning detections to objects, average precision.
//!
//! Only what box losses need is kept of a file. Indices are positions in
//! [`GroundTruth::annotations`] and in the slice of detections.

mod ap;
mod assign;
mod bbox;
mod calibration;
mod compare;
mod confusion;
mod crowding;
mod dataset;
mod errors;
mod evaluation;
mod id;
mod matching;
mod options;
mod problem;
mod read;
mod size;

pub use ap::{Metric, Summary, summarize};
pub use assign::{Assignment, Outcome, assign};
pub use bbox::{Bbox, RotatedBox, Xywh, iou};
pub use calibration::{Bin, Calibration};
pub use compare::{Comparison, Difference, Resamples, compare};
pub use confusion::Confusion;
pub use crowding::{Crowding, NEIGHBOUR, neighbours};
pub use dataset::{Annotation, Detection, GroundTruth};
pub use errors::{BACKGROUND, ErrorCost, ErrorKind, Errors};
pub use evaluation::{Class, Curve, Evaluation, OfSize, Operating, evaluate};
pub use id::{Id, Ids};
pub use matching::{MATCH, MAX_DETECTIONS};
pub use options::{Area, MOST_IOUS, Options};
pub use problem::{Entry, Kind, Place, Problem, Read, Severity};
pub use read::{ReadError, read_ground_truth, read_results};
pub use size::Size;
