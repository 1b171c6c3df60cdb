//! Arguments of `detloss train`, `detloss val` and `detloss predict`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::finite;
use crate::choice::Assignment;

/// Train a detector with a loss of scores and a loss of boxes, or with the criterion of a known one
///
/// Without --data it learns to find handwritten digits in scenes with clutter, in about a minute. The detector is small: six
/// convolutions, one stage, no anchors, cells of 8 by 8 pixels. What it finds in scenes that it was not trained on is judged by COCO's
/// average precision. Written are model.bpk and model.json (the detector, for `detloss predict` and `detloss val`), held-out.json and
/// detections.json (what is there and what was found in scenes that it was not trained on, for `detloss audit`), detections.png,
/// metrics.csv and result.json.
///
/// A run that was stopped, by Ctrl-C too, goes on when it is called again with the same arguments. One with other arguments needs another --out:
/// no detector is written over.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  detloss train
  detloss train --cls ap --box ciou --steps 300 --out ap-ciou
  detloss train --cls focal --param focal.gamma=1.5 --imbalance 10 --out gamma-1.5
  detloss train --cls bce --matcher \"task_aligned(topk=13)\" --quality --out aligned
  detloss train --criterion yolo8 --out yolo8
  detloss train --criterion \"fcos(bbox_regression=siou)\" --out fcos-siou
  detloss train --data my-coco-folder --side 128 --out mine
  detloss audit --gt mine/held-out.json --dt mine/detections.json
  detloss train compare --box iou,giou,diou,ciou,eiou --cls bce,focal,ap --seeds 3")]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    pub(crate) command: Option<TrainCommand>,
    /// The loss of the class scores: one of scores or sets, or of rows with classes [default: focal]
    #[arg(long, value_name = "LOSS")]
    pub(crate) cls: Option<String>,
    /// The loss of the boxes: one of boxes, or of values [default: giou]
    #[arg(long = "box", value_name = "LOSS")]
    pub(crate) bbox: Option<String>,
    /// Which cell is to find which object: `cells` (those near its middle), or a matcher, such as task_aligned(topk=13) [default: cells]
    #[arg(long)]
    pub(crate) matcher: Option<String>,
    /// A criterion instead of all that: its losses, matcher and boxes, such as yolo8, fcos(bbox_regression=siou) or rt_detr. It has to
    /// have classes, and boxes that cells can say: not all of `detloss criteria` do
    #[arg(long)]
    pub(crate) criterion: Option<String>,
    #[command(flatten)]
    pub(crate) setup: SetupArgs,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-train")]
    pub(crate) out: PathBuf,
}

/// What else there is to train.
#[derive(Debug, Subcommand)]
pub(crate) enum TrainCommand {
    Compare(CompareArgs),
}

/// Train a detector with every combination of some losses and matchers, and with some criteria, several times
///
/// All runs are judged by the same scenes; those of one seed begin with the same weights and see the same scenes. The table shows the mean over the seeds, and the
/// standard deviation where there are several. Written are compare.html (learning curves, and what a loss costs), compare.csv,
/// compare.json and a folder for each run.
///
/// Runs that are done are kept: a comparison that was stopped goes on when it is called again with the same arguments, and one that is
/// called with more losses or seeds does only what is missing. A run that fails is named, and the others are compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss train compare --box iou,giou,diou,ciou,eiou --seeds 3
  detloss train compare --cls bce,balanced_ce,focal,dr,ap --imbalance 10
  detloss train compare --cls focal --param gamma=0.5,1,2 --steps 200
  detloss train compare --cls bce --quality --matcher cells,task_aligned
  detloss train compare --cls focal --criterion yolo8,fcos,rt_detr")]
pub(crate) struct CompareArgs {
    /// The losses of the class scores, between commas [default: focal]
    #[arg(long, value_name = "LOSS,…")]
    pub(crate) cls: Vec<String>,
    /// The losses of the boxes, between commas [default: giou]
    #[arg(long = "box", value_name = "LOSS,…")]
    pub(crate) bbox: Vec<String>,
    /// Which cell is to find which object, between commas: `cells`, or matchers [default: cells]
    #[arg(long, value_name = "MATCHER,…")]
    pub(crate) matcher: Vec<String>,
    /// Criteria, between commas: instead of losses, or beside them if losses are given
    #[arg(long, value_name = "CRITERION,…")]
    pub(crate) criterion: Vec<String>,
    /// How often each combination is trained, with one seed after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    #[command(flatten)]
    pub(crate) setup: SetupArgs,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-compare")]
    pub(crate) out: PathBuf,
}

/// How a detector is trained.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// A folder of images with annotations in COCO's, YOLO's or VOC's format; a fifth is held out if no part is there to validate by
    /// [default: scenes of handwritten digits]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Width and height to which images are brought, pixels; a multiple of 8, 32 to 1024
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    pub(crate) side: usize,
    /// Set a parameter of a loss, such as gamma=1.5 or focal.gamma=1.5; repeat it to set others
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub(crate) params: Vec<Assignment>,
    /// How much the loss of the boxes counts beside that of the scores [default: 1]
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) box_weight: Option<f64>,
    /// Label what is found by the IoU of its box, as quality focal and varifocal loss want it, or by the score of its match where the
    /// matcher has scores, instead of by 1
    #[arg(long)]
    pub(crate) quality: bool,
    /// Of the scenes of digits, only one in N has digits: the more background, the more losses differ
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "data")]
    pub(crate) imbalance: u32,
    /// How pictures of --data are varied, so that few are not learned by heart: all, none, or some of flip,scale,crop,colour,mosaic.
    /// Leave out flip where left and right mean something [default: all]
    #[arg(long, value_name = "LIST", requires = "data")]
    pub(crate) augment: Option<String>,
    /// Steps of the optimizer
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) steps: usize,
    /// Scenes in a step
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) batch: usize,
    /// The highest learning rate of AdamW; it rises to it and falls to 0
    #[arg(long, value_name = "RATE", default_value_t = 6e-3)]
    pub(crate) rate: f64,
    /// The probability of every class that the detector begins with; of the class against background, where losses want a score of
    /// background
    #[arg(long, value_name = "P", default_value_t = 0.01)]
    pub(crate) prior: f64,
    /// Where the random numbers begin: weights, and scenes or their order
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(..1_000_000))]
    pub(crate) seed: u64,
}

/// Judge a detector that `detloss train` trained by a folder of images with annotations
///
/// Judged are the images that training on this folder holds out, unless --part says otherwise. Classes are known by their names. Printed are
/// COCO's twelve figures and those of every class; written are truth.json and detections.json, for `detloss audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss val detloss-train --data docs/samples --part all
  detloss val mine --data my-coco-folder
  detloss audit --gt detloss-val/truth.json --dt detloss-val/detections.json")]
pub(crate) struct ValArgs {
    /// The folder that `detloss train` wrote
    #[arg(value_name = "MODEL", default_value = "detloss-train")]
    pub(crate) model: PathBuf,
    /// A folder of images with annotations in COCO's, YOLO's or VOC's format
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Which of its images: those held out from training, those trained on, or all
    #[arg(long, value_enum, default_value_t = Part::HeldOut)]
    pub(crate) part: Part,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-val")]
    pub(crate) out: PathBuf,
}

/// Some images of a folder.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// Those held out from training
    HeldOut,
    /// Those trained on
    Train,
    /// All
    All,
}

/// Find objects in images with a detector that `detloss train` trained
///
/// The table has a line for each detection; boxes are left, top, width, height in pixels of the image, turned as its EXIF data say. Each image
/// is written with its detections drawn.
///
/// With --coco all detections, those with low scores too, are written as COCO has results. Their images have the ids that --annotations
/// gives them by their names, or the one annotation file of a FOLDER; without either they are counted from 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss predict docs/samples
  detloss predict --model mine --score 0.5 --json photos/*.jpg
  detloss predict docs/samples --coco results.json && detloss audit --gt docs/samples/annotations.json --dt results.json
  curl -s https://example.com/scene.png | detloss predict -")]
pub(crate) struct PredictArgs {
    /// The images: PNG, JPEG, WebP, BMP or TIFF; folders of such; - for one on standard input
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub(crate) images: Vec<PathBuf>,
    /// The folder that `detloss train` wrote
    #[arg(long, value_name = "DIR", default_value = "detloss-train")]
    pub(crate) model: PathBuf,
    /// Only detections with this score or more are printed and drawn
    #[arg(long, value_name = "SCORE", default_value_t = 0.3, value_parser = finite)]
    pub(crate) score: f64,
    /// Write all detections into this file, as COCO has results; an old one is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) coco: Option<PathBuf>,
    /// The annotations that have the ids of the images, by their names
    #[arg(long, value_name = "FILE", requires = "coco")]
    pub(crate) annotations: Option<PathBuf>,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "detloss-predict")]
    pub(crate) out: PathBuf,
}
