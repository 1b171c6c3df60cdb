//! What can be written on the command line. `commands` does what is said here.

mod audit;
mod check;
// In every build: `help` shows these commands, and says what they take.
mod train;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub(crate) use audit::AuditArgs;
pub(crate) use check::CheckArgs;
#[cfg(feature = "train")]
pub(crate) use train::{CompareArgs, Part, SetupArgs, TrainCommand};
pub(crate) use train::{PredictArgs, TrainArgs, ValArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::choice::Assignment;
use crate::format::BoxFormat;

/// See, race and audit the loss functions of object detection.
#[derive(Debug, Parser)]
#[command(name = "detloss", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Start here:
  detloss list                                     which losses there are
  detloss explain giou                             what one of them is
  detloss eval focal --pred 0.3 --target 1         its value and gradient
  detloss curves bce focal --param gamma=0.5,1,2   how it looks
  detloss race                                     which box loss arrives first
  detloss race-ap                                  which score loss ranks best
  detloss check instances.json                     what is wrong with a data set
  detloss audit --gt instances.json --dt dets.json  where a detector loses
  detloss match --gt instances.json --anchors yolo8  which objects it is not taught
  detloss criteria yolo8                           what a detector's whole loss is
  detloss train --cls focal --box giou             train a detector with two of them

Data goes to stdout, words to stderr. Exit code 2 is a wrong call, 1 a failure. NO_COLOR is honoured.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print the data as JSON, with null for what is not finite
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Take options from a file in TOML, by their long names, in a table of the command or above all tables: `[race]`,
    /// `seed = 3`. Those of the command line outweigh them
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say what the command ran on, and how long
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(ListArgs),
    Explain(ExplainArgs),
    Eval(EvalArgs),
    Curves(CurvesArgs),
    Race(RaceArgs),
    RaceAp(RaceApArgs),
    Check(CheckArgs),
    Audit(AuditArgs),
    Match(MatchArgs),
    Criteria(CriteriaArgs),
    Train(Box<TrainArgs>),
    Val(ValArgs),
    Predict(PredictArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Print the completions of a shell for all commands and options
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss completions bash > ~/.local/share/bash-completion/completions/detloss
  detloss completions zsh > ~/.zfunc/_detloss
  detloss completions fish > ~/.config/fish/completions/detloss.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page of detloss, or write those of all commands into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss man | man -l -
  detloss man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder to write detloss.1, detloss-race.1, … to
    pub(crate) dir: Option<PathBuf>,
}

/// List the losses: id, parameters with their defaults, and a sentence on each
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss list
  detloss list --family boxes
  detloss list --family modifiers                  what may stand around a loss of boxes: inner(ciou, ratio=0.8)
  detloss list --json")]
pub(crate) struct ListArgs {
    /// Only the losses of this family, such as boxes; or modifiers
    #[arg(long)]
    pub(crate) family: Option<String>,
}

/// List the criteria, the whole losses of named detectors; or print one, term by term
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss criteria
  detloss criteria yolo11
  detloss criteria \"yolo8(box=siou, dfl.weight=2)\" --toml")]
pub(crate) struct CriteriaArgs {
    /// A criterion, with settings if you like: a loss, a weight, a matcher
    pub(crate) criterion: Option<String>,
    /// Print all of it as TOML
    #[arg(long, requires = "criterion", conflicts_with = "json")]
    pub(crate) toml: bool,
}

/// Explain a loss or a modifier: formula, parameters, gradient, conventions, references, worked cases
///
/// The worked cases are computed on the spot, beside what the documentation claims.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss explain giou
  detloss explain focal --json")]
pub(crate) struct ExplainArgs {
    /// The id of the loss or the modifier, as `detloss list` shows it
    pub(crate) loss: String,
}

/// Evaluate a loss: its value and its gradient with respect to the prediction, in double precision
///
/// Give one prediction with its target (for a loss of whole batches, all of them, one after the other), or a CSV file with
/// one of each per line.
///
/// A line holds the fields of the prediction, then those of the target; a loss over rows of logits takes the logits, then
/// what they should say: the class, a label or logit for each, a position. With --groups, a group comes next, with --weights
/// a weight last. A first line without any number is a header.
///
/// There is a line of output for each line of the file. A loss of whole batches has one value for the file, or for each
/// group: it is repeated on every line that is a part of it, beside the gradient by that line.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["pred", "file"]))]
#[command(after_help = "\
Examples:
  detloss eval giou --pred 1.3,2.1,4.9,7.4 --target 2.6,.8,6.1,5.2
  detloss eval ciou --format cxcywh --pred 5,5,4,2 --target 6,5,4,4 --json
  detloss eval rotated_iou --pred 5,5,4,2,0.3 --target 6,5,4,4,0     # cx, cy, w, h, angle in radians
  detloss eval focal --param gamma=1.5 --param alpha=-1 --pred=-0.3 --target 1
  detloss eval focal --pred 0.2,-1.5,3 --class 2
  detloss eval iou --file pairs.csv --reduction mean
  detloss eval rmse --pred 1,2,3 --target 1,2,5
  detloss eval rmse --file values.csv --groups --reduction mean
  seq 0 0.5 3 | sed 's/$/,0/' | detloss eval smooth_l1 --file -")]
pub(crate) struct EvalArgs {
    /// The id of the loss, as `detloss list` shows it
    pub(crate) loss: String,
    /// The fields of the prediction, between commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) pred: Vec<f64>,
    /// The fields of the target, between commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true)]
    #[arg(requires = "pred")]
    pub(crate) target: Vec<f64>,
    /// The right class, counted from 0, instead of a target: --pred then has a logit per class. A loss of whole batches
    /// takes one for each row
    #[arg(long, value_name = "CLASS", value_delimiter = ',', allow_hyphen_values = true)]
    #[arg(requires = "pred", conflicts_with = "target")]
    pub(crate) class: Vec<i64>,
    /// For a loss of whole batches: how many numbers of --pred make a row [default: what fits the targets]
    #[arg(long, value_name = "N", requires = "pred")]
    pub(crate) columns: Option<usize>,
    /// A CSV file of predictions and targets; - is standard input
    #[arg(long, value_name = "CSV")]
    pub(crate) file: Option<PathBuf>,
    /// Set a parameter, such as gamma=1.5; repeat it to set others
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub(crate) params: Vec<Assignment>,
    /// How axis-aligned boxes are given [default: xyxy]; the gradient is by the same fields
    #[arg(long)]
    pub(crate) format: Option<BoxFormat>,
    /// What becomes of the lines of a file
    #[arg(long, default_value = "none", requires = "file")]
    pub(crate) reduction: Reduction,
    /// The last column of the file (before a weight) is a whole number, such as the id of an image: a loss of whole batches
    /// has one value for each
    #[arg(long, requires = "file")]
    pub(crate) groups: bool,
    /// The last column of the file is a weight; for a loss of whole batches 0 or 1
    #[arg(long, requires = "file")]
    pub(crate) weights: bool,
}

/// What becomes of many losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reduction {
    /// One result per line
    None,
    /// The sum, divided by the number of lines, or of groups for a loss of whole batches
    Mean,
    /// The sum
    Sum,
}

/// Draw losses as curves: value and slope, each as SVG and PNG, with the points as CSV
///
/// Losses of one kind are drawn over one axis: values over their error; scores, classes and masks over the probability of
/// what is right; losses of many scores over the margin between a positive and a negative; boxes, rotated boxes and boxes in
/// space over the offset between two unit boxes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss curves focal --param gamma=0,0.5,1,2,5 --param alpha=-1
  detloss curves l1 l2 smooth_l1 --range=-3,3
  detloss curves balanced_l1 --param alpha=0.2,0.3,0.5,1 --range 0,2
  detloss curves smooth_l1 huber --param smooth_l1.beta=0.5,1
  detloss curves iou giou diou --axis scale --out figures
  detloss curves rotated_iou gwd kld --axis turn
  detloss curves kl --log-variance=-2,0,2")]
pub(crate) struct CurvesArgs {
    /// The ids of the losses, as `detloss list` shows them
    #[arg(required = true)]
    pub(crate) losses: Vec<String>,
    /// Values of a parameter, one curve each; LOSS.KEY=… sets it for one loss only
    #[arg(long = "param", value_name = "KEY=VALUE,…")]
    pub(crate) params: Vec<Assignment>,
    /// What to draw over [default: what fits the losses]
    #[arg(long)]
    pub(crate) axis: Option<AxisName>,
    /// The first and the last place on the axis [default: what fits the axis]
    #[arg(long, value_name = "FROM,TO", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) range: Vec<f64>,
    /// For predictions with an uncertainty: ln σ², one curve each
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true)]
    #[arg(default_value = "-2,0,2")]
    pub(crate) log_variance: Vec<f64>,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-curves")]
    pub(crate) out: PathBuf,
}

/// What curves are drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AxisName {
    /// Values: the prediction, for a target of 0
    Error,
    /// Scores, two classes, masks: the probability that is given to what is right
    Probability,
    /// Scores, two classes, masks: the logit of what is right
    Logit,
    /// Losses of many scores: the logit of one positive above that of one negative
    Margin,
    /// Boxes: how far a unit box lies beside another
    Offset,
    /// Boxes: the side of a square on the centre of a unit box
    Scale,
    /// Boxes with an angle: that between two of sides 2 and 1 about one centre, in degrees
    Turn,
}

/// Race box losses: the bounding-box regression experiment of the DIoU paper
///
/// Boxes of many shapes walk towards a target down each loss, by 343 cases from every starting point. The table shows what
/// they all together still lack, in millions. Written are race.csv (the curves), race.json (everything) and race.html.
///
/// Losses of rotated boxes race with an angle at every starting point, and the table shows the mean IoU and the mean error of the
/// angle. That is of the longer sides, so squares among the targets, which have no angle, do not count there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss race
  detloss race rotated_iou gwd kld prob_iou kfiou mgiou
  detloss race --losses giou,diou,ciou --directions exact --centres 500
  detloss race --losses focal_eiou --param gamma=0.1,0.5,1 --out gamma")]
pub(crate) struct RaceArgs {
    /// The ids of the losses, as `detloss list` shows them [default: all losses of two axis-aligned boxes]
    #[arg(value_name = "LOSS")]
    pub(crate) names: Vec<String>,
    /// The same, between commas
    #[arg(long, value_name = "LOSS,…")]
    pub(crate) losses: Vec<String>,
    /// Values of a parameter, a run each; LOSS.KEY=… sets it for one loss only
    #[arg(long = "param", value_name = "KEY=VALUE,…")]
    pub(crate) params: Vec<Assignment>,
    /// Which way boxes go
    #[arg(long, default_value = "both")]
    pub(crate) directions: Directions,
    /// How many starting points [default: 5000 as in the paper, or 500 for rotated boxes]
    #[arg(long = "centres", alias = "centers", value_name = "N")]
    pub(crate) centers: Option<usize>,
    /// Where the random starting points begin
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-race")]
    pub(crate) out: PathBuf,
}

/// Which way boxes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Directions {
    /// Down the gradient of the loss
    Exact,
    /// Along the formulas of the paper's own experiment, for the losses that have one
    Published,
    /// Both, one after the other
    Both,
}

/// Race score losses: which ranks the positives first
///
/// The logits of an imbalanced set walk down each loss in steps of equal length, as far as moving each positive by 0.1. The
/// table shows the average precision (all points, interpolated) after some of the steps, the mean over all, after how many it is
/// 0.9, and the time of a step. Written are race-ap.csv (the curves), race-ap.json (everything) and race-ap.html.
///
/// The scores are made up, or with --gt and --dt those of a detector: then detections that match an object by COCO's rules
/// (IoU >= 0.5) are the positives.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss race-ap
  detloss race-ap --losses bce,focal,ap --negatives 100000 --iterations 100
  detloss race-ap --losses ap --param delta=0.5,1,2 --out delta
  detloss race-ap --gt instances.json --dt results.json --per-class")]
pub(crate) struct RaceApArgs {
    /// The ids of the losses, between commas [default: losses that weigh scores, and losses that rank them]
    #[arg(long)]
    pub(crate) losses: Vec<String>,
    /// Values of a parameter, a run each; LOSS.KEY=… sets it for one loss only
    #[arg(long = "param", value_name = "KEY=VALUE,…")]
    pub(crate) params: Vec<Assignment>,
    /// How many positives to make up
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) positives: usize,
    /// How many negatives to make up
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) negatives: usize,
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many steps to take
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) iterations: usize,
    /// Annotations in COCO's, YOLO's or VOC's format, instead of made-up scores
    #[arg(long, value_name = "FILE|DIR", requires = "dt", conflicts_with_all = ["positives", "negatives", "seed"])]
    pub(crate) gt: Option<PathBuf>,
    /// Detections, as COCO takes them, or a folder of YOLO's text files with scores
    #[arg(long, value_name = "FILE|DIR", requires = "gt")]
    pub(crate) dt: Option<PathBuf>,
    /// Rank the detections of each class by themselves; the precision is the mean over the classes
    #[arg(long, requires = "gt")]
    pub(crate) per_class: bool,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-race-ap")]
    pub(crate) out: PathBuf,
}

/// Match the objects of annotations: how many positives each gets, and which get none
///
/// The anchors are those of torchvision's RetinaNet, of YOLOv8 and later, or of torchvision's FCOS, over every image as the detector
/// sees it: with its short side at 800 pixels and its long one at 1333 at most, or (yolo8) in the middle of a square of 640. Or they are
/// those of a file, for images as they are: a list of boxes [x1, y1, x2, y2], or
/// {"points": [[x, y], …], "strides": [one for each], "levels": [how many points each level has]}.
///
/// Matchers that look at predictions (task_aligned, sim_ota, dynamic_soft_label) get assumed ones: every point has found, exactly and
/// with a probability of one half for its class, the smallest object around it, or around it by the matcher's own rule (min_side,
/// radius); all other points predict a box of their own stride. It is about the best that the matcher can do for each object once the
/// detector works. Crowds go to matchers that know them (max_iou), and are left out for the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss match --gt instances_val2017.json --anchors retinanet
  detloss match --gt instances.json --anchors yolo8 --size 1280 --out report
  detloss match --gt instances.json --anchors yolo8 --assigner 'task_aligned(topk=13)'
  detloss match --gt instances.json --anchors fcos --assigner sim_ota --json | jq .objects_without
  detloss match --gt instances.json --anchors anchors.json --assigner atss --csv > objects.csv")]
pub(crate) struct MatchArgs {
    /// The annotations: a file of COCO (instances_*.json), or a data.yaml or a folder in COCO's, YOLO's or VOC's format
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) gt: PathBuf,
    /// Whose anchors: retinanet, yolo8, fcos, or those of a FILE.json
    #[arg(long, value_name = "DETECTOR|FILE")]
    pub(crate) anchors: Detector,
    /// The matcher with its parameters, such as 'task_aligned(topk=13)' [default: retinanet and boxes: max_iou, yolo8: task_aligned, fcos
    /// and points: center_sampling]
    #[arg(long, value_name = "MATCHER")]
    pub(crate) assigner: Option<String>,
    /// How large images get: the short side (retinanet, fcos; the long one is 5/3 of it at most), the long side (yolo8, in multiples of
    /// 32; a file) [default: 800, 640, as they are]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(32..=16384))]
    pub(crate) size: Option<u32>,
    /// Print a row for every object as CSV
    #[arg(long)]
    pub(crate) csv: bool,
    /// The folder to write match.html, match.json, objects.csv and classes.csv to [default: none]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many of the objects without any the report and the JSON list; a terminal shows fewer
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) top: u32,
}

/// Whose anchors, as it is said on the command line.
#[derive(Clone, Debug)]
pub(crate) enum Detector {
    /// torchvision's RetinaNet.
    Retinanet,
    /// Ultralytics' YOLOv8 and later.
    Yolo8,
    /// torchvision's FCOS.
    Fcos,
    /// What a file lists.
    File(PathBuf),
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retinanet => f.write_str("retinanet"),
            Self::Yolo8 => f.write_str("yolo8"),
            Self::Fcos => f.write_str("fcos"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Detector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_file =
            Path::new(text).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        match text {
            "retinanet" => Ok(Self::Retinanet),
            "yolo8" => Ok(Self::Yolo8),
            "fcos" => Ok(Self::Fcos),
            _ if is_file => Ok(Self::File(text.into())),
            _ => Err("choose among retinanet, yolo8 and fcos, or give a FILE.json".to_owned()),
        }
    }
}

/// A number that is one.
fn finite(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number.filter(|number| number.is_finite()).ok_or("give a number, such as 0.3".into())
}
