//! A criterion in words, for tables.

use std::fmt;

use super::criterion::{
    Compares, Labels, Layers, Normalizer, Pairs, Quality, RowWeight, Rows, Schedule, Sides, Unit,
};
use super::decoder::Decoder;

impl fmt::Display for Compares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classes(Labels::OneHot) => "classes, 1 for that of the truth",
            Self::Classes(Labels::Score) => "classes, the score of the match for that of the truth",
            Self::Classes(Labels::Iou) => "classes, the IoU of the box for that of the truth",
            Self::Classes(Labels::BackgroundFirst) => "classes, background first",
            Self::Classes(Labels::BackgroundLast) => "classes, background last",
            Self::Boxes(Unit::Given) => "decoded boxes",
            Self::Boxes(Unit::Strides) => "decoded boxes, in strides",
            Self::Offsets(Sides::Sum) => "raw numbers of boxes",
            Self::Offsets(Sides::MeanOfImage) => {
                "raw distances, the mean of four fractions of the image"
            }
            Self::Distribution { .. } => "distributions of the sides, the mean of four",
            Self::Refinement { .. } => "distributions beside the boxes, the sum of four",
            Self::Teacher => {
                "distributions beside the boxes with the last layer's, the mean of four"
            }
            Self::Quality(Quality::Matched) => "objectness",
            Self::Quality(Quality::Centerness) => "centreness",
            Self::Quality(Quality::Iou) => "quality, the IoU of the box",
        })
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Union => "union",
        })
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::AllButLast => "all but the last",
        })
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => f.write_str("matched"),
            Self::All => f.write_str("all"),
            Self::HardNegatives(ratio) => write!(f, "matched, and the {ratio} hardest others each"),
        }
    }
}

impl fmt::Display for RowWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("1"),
            Self::Score => f.write_str("score of the match"),
            Self::Iou => f.write_str("IoU of the box"),
            Self::Centerness => f.write_str("centreness"),
            Self::Confidence => f.write_str("IoU of the box, the teacher's score of background"),
            Self::Background(weight) => write!(f, "{weight} for background"),
        }
    }
}

impl fmt::Display for Normalizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positives => "matches of the batch",
            Self::PositivesOfImage => "matches of the image, and images",
            Self::Scores => "scores of all matches",
            Self::Truths => "truths of the batch, and groups",
            Self::Rows => "predictions that count",
            Self::Roots => "numbers of matched and others, mixed by their roots",
            Self::RootsOfUnion => "those of the union, mixed by their roots",
            Self::Weights => "weights",
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(weight) => write!(f, "{weight}"),
            Self::Linear { from, to } => write!(f, "{from} to {to}"),
        }
    }
}

impl fmt::Display for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corners => f.write_str("x1, y1, x2, y2"),
            Self::Centers => f.write_str("cx, cy, w, h"),
            Self::Deltas([x, y, w, h]) => {
                write!(f, "offsets of an anchor, multiplied by {x}, {y}, {w}, {h}")
            }
            Self::Distances => f.write_str("distances of four sides, in strides"),
            Self::Bins(bins) => {
                write!(f, "distributions of four distances over {bins} bins, in strides")
            }
            Self::RotatedDistances => {
                f.write_str("distances of four sides of a rotated box, in strides, and its angle")
            }
            Self::RotatedBins(bins) => write!(
                f,
                "distributions of four distances of a rotated box over {bins} bins, in strides, and its angle"
            ),
            Self::Cell => f.write_str("place in the cell and logarithms of both sides, in strides"),
        }
    }
}
