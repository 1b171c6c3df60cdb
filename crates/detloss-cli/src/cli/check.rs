//! `detloss check`.

use std::path::PathBuf;

use clap::Args;

/// Check a data set before training: all that is wrong with it, with place and remedy
///
/// In COCO's, YOLO's or Pascal VOC's format, by what is there. Entries that cannot be read, boxes without area, outside their image, in
/// other units, twice, tiny or odd; ids, files and classes that occur twice or not at all; what is in more than one part. Of a folder the
/// images, too: missing, cut off, of another size, turned when displayed, of the same content, or the same picture in other bytes.
///
/// Exit code 0 if nothing is wrong or there are only warnings and notes, 1 if there are errors or the data cannot be read, 2 for a
/// wrong call.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  detloss check instances_train2017.json
  detloss check dataset --out report
  detloss check dataset/data.yaml
  detloss check annotations --images elsewhere/images
  detloss check instances.json --fix cleaned
  detloss check instances.json --json | jq '.kinds[] | {kind, count}'")]
pub(crate) struct CheckArgs {
    /// A folder in COCO's, YOLO's or VOC's format; or an annotation file, a data.yaml, a list of images; - is standard input
    #[arg(value_name = "DIR|FILE")]
    pub(crate) data: PathBuf,
    /// The folder of the images, where they do not lie with the annotations
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Write cleaned copies of the annotations, in COCO's format, to this folder, and changes.csv with what was done about each problem
    #[arg(long, value_name = "DIR")]
    pub(crate) fix: Option<PathBuf>,
    /// The folder to write check.html, check.json and problems.csv to [default: none]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many places of each kind are shown; JSON and CSV have all
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10000))]
    pub(crate) top: u32,
}
