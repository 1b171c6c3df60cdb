//! `detloss audit`.

use std::path::PathBuf;

use clap::Args;

use super::finite;
use crate::choice::Assignment;

/// Audit a detector: where its errors are, what they cost, and which losses they hold
///
/// Detections are assigned to objects by COCO's rules (IoU >= 0.5). Precision and recall, the kinds of errors with the AP each costs
/// and its share of loss and gradient, confusions, calibration; box losses of the matched pairs, score losses of every detection, its
/// score as a logit, with label 1 if matched and 0 if background; who holds the gradient of each loss, and which annotations look
/// wrong. The folder gets audit.html, audit.json, and tables as CSV: boxes, classes, images, suspects and others.
///
/// Two files of detections are compared: AP by class and size, kinds of errors, and losses, each difference with the interval that has
/// 95 % of those on images drawn anew (bootstrap).
///
/// With --rotated, annotations and detections are rotated boxes: a bbox of five numbers, cx, cy, w, h and the angle in radians, from
/// x towards y (clockwise where y points down); or else a segmentation of eight, the corners of a quadrangle as DOTA has them,
/// which becomes the smallest box around it, with its longer side as w. They are matched by the exact rotated IoU.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss audit --gt instances_val2017.json --dt results.json
  detloss audit --gt instances.json --dt results.json --losses giou,ciou,focal --param gamma=1.5 --out report
  detloss audit --gt instances.json --dt results.json --iou 0.3,0.5 --classes person,car --area 16,64
  detloss audit --gt instances.json --dt results.json --json | jq .suspects
  detloss audit --gt instances.json --dt results.json --images val2017
  detloss audit --gt instances.json --dt before.json --dt after.json
  detloss audit --rotated --gt dota.json --dt results.json --losses rotated_iou,gwd,prob_iou")]
pub(crate) struct AuditArgs {
    /// The annotations: a file of COCO (instances_*.json), or a data.yaml or a folder in COCO's, YOLO's or VOC's format
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) gt: PathBuf,
    /// The detections, as COCO takes them: a list of {image_id, category_id, bbox, score}; or a folder of YOLO's text files with scores; give
    /// two to compare two detectors
    #[arg(long, value_name = "FILE|DIR", required = true)]
    pub(crate) dt: Vec<PathBuf>,
    /// Boxes are rotated
    #[arg(long)]
    pub(crate) rotated: bool,
    /// The ids of the losses, between commas [default: all of the families boxes (or rotated) and scores]
    #[arg(long, value_name = "LOSS,…")]
    pub(crate) losses: Vec<String>,
    /// Set a parameter, such as gamma=1.5 or focal.gamma=0,2; repeat it to set others
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub(crate) params: Vec<Assignment>,
    /// The IoUs over which AP is the mean; from the lowest on a detection has found an object, in all else [default: 0.5 to 0.95 by
    /// 0.05]
    #[arg(long, value_name = "IOU,…", value_delimiter = ',', value_parser = iou)]
    pub(crate) iou: Vec<f64>,
    /// Leave out detections with a lower score
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) score: Option<f64>,
    /// The score from which detections count in the confusion matrix [default: where F1 is best]
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) threshold: Option<f64>,
    /// How many detections of an image and class are looked at, best scores first
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max_dets: u32,
    /// Look at these classes alone: names or ids
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',')]
    pub(crate) classes: Vec<String>,
    /// Where one size ends and the next begins, as sides of squares in pixels, ascending [default: 32,96, as COCO]
    #[arg(long, value_name = "SIDE,…", value_delimiter = ',', value_parser = side)]
    pub(crate) area: Vec<f64>,
    /// The folder of the images: the report shows the worst boxes, misses and suspects
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// By which images are drawn anew where two detectors are compared
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-audit")]
    pub(crate) out: PathBuf,
    /// How many of the worst images, boxes, … the report and the JSON list; a terminal shows fewer
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) top: u32,
}

fn iou(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number.filter(|iou| *iou > 0.0 && *iou <= 1.0).ok_or("an IoU is above 0 and at most 1".into())
}

fn side(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    let is_side = |side: &f64| *side > 0.0 && *side < 1e5;
    number.filter(is_side).ok_or("a side is in pixels, above 0 and below 100000".into())
}
