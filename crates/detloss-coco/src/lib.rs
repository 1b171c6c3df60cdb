//! Boxes of data sets: reading annotations (COCO's, YOLO's, Pascal VOC's) and results, assigning detections to objects, average precision.
//!
//! Only what box losses need is kept of a file. Indices are positions in
//! [`GroundTruth::annotations`] and in the slice of detections.
//!
//! [`evaluate`] has all that is said of a detector. Its numbers are those of pycocotools 2.0.11 and, for the kinds of errors, of TIDE
//! (tidecv 1.0.1), which differ from one another: TIDE looks at the best 100 detections of an image, COCO at those of each class
//! of an image, and TIDE takes the mean over all classes that have detections, COCO over those that have objects. pycocotools takes
//! a detection that found an annotation with the id 0 for one that found none, since it writes down the id; here ids do not matter,
//! so that files whose ids begin at 0 score higher, as they should.

mod ap;
mod assign;
mod bbox;
mod calibration;
mod check;
mod compare;
mod confusion;
mod crowding;
mod dataset;
mod errors;
mod evaluation;
mod find;
mod id;
pub mod images;
mod matching;
mod options;
mod problem;
mod read;
mod write;

pub use ap::{Metric, Summary, summarize};
pub use assign::{Assignment, Outcome, assign};
pub use bbox::{Bbox, RotatedBox, Xywh, iou};
pub use calibration::{Bin, Calibration};
pub use check::{Change, Part, check, fixed, parts_of};
pub use compare::{Comparison, Difference, Resamples, compare};
pub use confusion::Confusion;
pub use crowding::{Crowding, NEIGHBOUR, neighbours};
pub use dataset::{Annotation, Detection, GroundTruth};
pub use errors::{BACKGROUND, ErrorCost, ErrorKind, Errors};
pub use evaluation::{Class, Curve, Evaluation, OfSize, Operating, evaluate};
pub use find::{DataSet, Role, Source};
pub use id::{Id, Ids};
pub use options::{Area, MATCH, MAX_DETECTIONS, MOST_IOUS, Options, OptionsError};
pub use problem::{Entry, Kind, Place, Problem, Read, Severity};
pub use read::{ReadError, parse_ground_truth, parse_results, read_ground_truth, read_results};
pub use write::{annotations_of, result_of};
