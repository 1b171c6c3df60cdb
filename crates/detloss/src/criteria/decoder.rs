//! From the raw outputs of a head to boxes, and gradients back.

use std::array::from_fn;

use crate::geometry::{Cxcywh, Xyxy};
use crate::matching::Anchors;
use crate::scalar::dual::Gradient;
use crate::scalar::{Compute, Dual, Scalar, lit};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// How the raw numbers of a prediction become a box.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Decoder {
    /// They are a box: x1, y1, x2, y2.
    Corners,
    /// They are a box: cx, cy, w, h, of predictions and of truths. DETR's, as fractions of the image.
    Centers,
    /// How an anchor is to be moved and stretched (Faster R-CNN): Δx, Δy in sides of the anchor, and the logarithms of the ratios of the
    /// sides, at most ln(1000/16), each multiplied by its weight.
    Deltas([f64; 4]),
    /// Distances from a point to the left, upper, right and lower side, in strides (FCOS).
    Distances,
    /// The same four, each as the mean of a distribution over 0, 1, …, bins − 1, by its logits (GFL, YOLOv8).
    Bins(u32),
    /// Δx, Δy from the upper left corner of the point's cell, and the logarithms of both sides, in strides (YOLOX).
    Cell,
}

/// Where a prediction stands: the middle of its anchor, its sides and its stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<S> {
    pub center: [S; 2],
    pub size: [S; 2],
    pub stride: S,
}

/// ln(1000/16), the largest stretch of an anchor.
const MAX_LOG_RATIO: f64 = 4.135_166_556_742_356;

impl Decoder {
    /// How many raw numbers a prediction has.
    #[must_use]
    pub fn columns(self) -> usize {
        match self {
            Self::Bins(bins) => 4 * bins as usize,
            _ => 4,
        }
    }

    /// Whether it needs anchors.
    pub(super) fn has_anchors(self) -> bool {
        !matches!(self, Self::Corners | Self::Centers)
    }

    /// The box of four numbers, a distribution by its mean.
    #[inline(always)]
    fn decode<S: Scalar>(self, [a, b, c, d]: [S; 4], place: Place<S>) -> Xyxy<S> {
        let Place { center: [x, y], size: [w, h], stride } = place;
        match self {
            Self::Corners => Xyxy { x1: a, y1: b, x2: c, y2: d },
            Self::Centers => Cxcywh { cx: a, cy: b, w: c, h: d }.to_xyxy(),
            Self::Deltas([wx, wy, ww, wh]) => {
                let moved =
                    |by: S, weight: f64, side: S, from: S| by * lit(1.0 / weight) * side + from;
                let stretched = |by: S, weight: f64, side: S| {
                    let log_ratio = by * lit(1.0 / weight);
                    log_ratio.min(log_ratio.lit(MAX_LOG_RATIO)).exp() * side
                };
                let (cx, cy) = (moved(a, wx, w, x), moved(b, wy, h, y));
                Cxcywh { cx, cy, w: stretched(c, ww, w), h: stretched(d, wh, h) }.to_xyxy()
            }
            Self::Distances | Self::Bins(_) => Xyxy {
                x1: x - a * stride,
                y1: y - b * stride,
                x2: x + c * stride,
                y2: y + d * stride,
            },
            Self::Cell => {
                let (cx, cy) = ((a - lit(0.5)) * stride + x, (b - lit(0.5)) * stride + y);
                Cxcywh { cx, cy, w: c.exp() * stride, h: d.exp() * stride }.to_xyxy()
            }
        }
    }

    /// The four numbers that a box is decoded from.
    pub(super) fn encode<T: Compute>(self, truth: Xyxy<T>, place: Place<T>) -> [T; 4] {
        let Place { center: [x, y], size: [w, h], stride } = place;
        let Xyxy { x1, y1, x2, y2 } = truth;
        let Cxcywh { cx, cy, w: width, h: height } = truth.to_cxcywh();
        match self {
            Self::Corners => [x1, y1, x2, y2],
            Self::Centers => [cx, cy, width, height],
            Self::Deltas([wx, wy, ww, wh]) => [
                (cx - x).safe_div(w) * lit(wx),
                (cy - y).safe_div(h) * lit(wy),
                width.safe_div(w).ln() * lit(ww),
                height.safe_div(h).ln() * lit(wh),
            ],
            Self::Distances | Self::Bins(_) => {
                [x - x1, y - y1, x2 - x, y2 - y].map(|distance| distance.safe_div(stride))
            }
            Self::Cell => [
                (cx - x).safe_div(stride) + lit(0.5),
                (cy - y).safe_div(stride) + lit(0.5),
                width.safe_div(stride).ln(),
                height.safe_div(stride).ln(),
            ],
        }
    }

    /// The box by its corners.
    pub(super) fn corners<T: Compute>(self, raw: [T; 4], place: Place<T>) -> [T; 4] {
        let Xyxy { x1, y1, x2, y2 } = self.decode(raw, place);
        [x1, y1, x2, y2]
    }

    /// From the gradient by the corners to that by the raw numbers.
    pub(super) fn backward<T: Compute>(self, raw: [T; 4], place: Place<T>, grad: [T; 4]) -> [T; 4] {
        let constant = Dual::<T, 4>::constant;
        let place = Place {
            center: place.center.map(constant),
            size: place.size.map(constant),
            stride: constant(place.stride),
        };
        let variables = from_fn(|index| Dual::variable(raw[index], index));
        let Xyxy { x1, y1, x2, y2 } = self.decode(variables, place);
        from_fn(|index| {
            let slopes = [x1, y1, x2, y2].into_iter().zip(grad);
            slopes.fold(T::default(), |sum, (corner, grad)| sum + corner.partial(index) * grad)
        })
    }
}

impl<T: Compute> Place<T> {
    /// Of an anchor; of none where there are no anchors.
    pub(super) fn of(anchors: Option<&Anchors<T>>, index: usize) -> Self {
        let Some(anchors) = anchors else {
            let zero = T::default();
            return Self { center: [zero; 2], size: [zero; 2], stride: zero.lit(1.0) };
        };
        let [x1, y1, x2, y2] = anchors.rect(index);
        Self {
            center: anchors.center(index),
            size: [x2 - x1, y2 - y1],
            stride: anchors.stride(index),
        }
    }
}
