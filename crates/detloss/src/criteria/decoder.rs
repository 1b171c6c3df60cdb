//! From the raw outputs of a head to boxes, and gradients back.

use std::array::from_fn;

use crate::geometry::{Cxcywh, Rotated, Xyxy};
use crate::matching::Anchors;
use crate::operand::Kind;
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
    /// Distances from a point to the four sides of a rotated box along its own axes, in strides, with its angle (YOLO-OBB).
    RotatedDistances,
    /// The same four as distributions, with the angle.
    RotatedBins(u32),
    /// Δx, Δy from the upper left corner of the point's cell, and the logarithms of both sides, in strides, at most 48 ln 2 (YOLOX).
    Cell,
}

/// Where a prediction stands: the middle of its anchor, its sides and its stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<S> {
    pub center: [S; 2],
    pub size: [S; 2],
    pub stride: S,
}

/// 48 ln 2: a side of more strides than the largest coordinate would be infinite.
const MAX_LOG_SIDE: f64 = 33.271_064_666_877_37;

/// ln(1000/16), the largest stretch of an anchor.
const MAX_LOG_RATIO: f64 = 4.135_166_556_742_356;

/// The fields of a box, and 0 where it has four only. Raw numbers are four, and the angle of a rotated box.
pub(super) type Fields<S> = [S; 5];

impl Decoder {
    /// How many raw numbers a prediction has, besides the angle of a rotated box.
    #[must_use]
    pub fn columns(self) -> usize {
        4 * self.bins().unwrap_or(1)
    }

    /// What is decoded.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::RotatedDistances | Self::RotatedBins(_) => Kind::RotatedBox,
            _ => Kind::Box,
        }
    }

    /// How many bins a side has, where it is a distribution.
    pub(super) fn bins(self) -> Option<usize> {
        match self {
            Self::Bins(bins) | Self::RotatedBins(bins) => Some(bins as usize),
            _ => None,
        }
    }

    /// How many fields a box has.
    pub(super) fn width(self) -> usize {
        self.kind().fields().len()
    }

    /// Whether it needs anchors.
    pub(super) fn has_anchors(self) -> bool {
        !matches!(self, Self::Corners | Self::Centers)
    }

    /// The box of raw numbers, a distribution by its mean.
    #[inline(always)]
    fn box_of<S: Scalar>(self, [a, b, c, d, angle]: Fields<S>, place: Place<S>) -> Fields<S> {
        let Place { center: [x, y], size: [w, h], stride } = place;
        let corners = |Xyxy { x1, y1, x2, y2 }: Xyxy<S>| [x1, y1, x2, y2, x.lit(0.0)];
        match self {
            Self::Corners => [a, b, c, d, x.lit(0.0)],
            Self::Centers => corners(Cxcywh { cx: a, cy: b, w: c, h: d }.to_xyxy()),
            Self::Deltas([wx, wy, ww, wh]) => {
                let moved =
                    |by: S, weight: f64, side: S, from: S| by * lit(1.0 / weight) * side + from;
                let stretched = |by: S, weight: f64, side: S| {
                    let log_ratio = by * lit(1.0 / weight);
                    log_ratio.min(log_ratio.lit(MAX_LOG_RATIO)).exp() * side
                };
                let (cx, cy) = (moved(a, wx, w, x), moved(b, wy, h, y));
                corners(Cxcywh { cx, cy, w: stretched(c, ww, w), h: stretched(d, wh, h) }.to_xyxy())
            }
            Self::Distances | Self::Bins(_) => corners(Xyxy {
                x1: x - a * stride,
                y1: y - b * stride,
                x2: x + c * stride,
                y2: y + d * stride,
            }),
            Self::RotatedDistances | Self::RotatedBins(_) => {
                let (along, across) = ((c - a) * lit(0.5), (d - b) * lit(0.5));
                let (cos, sin) = (angle.cos(), angle.sin());
                let cx = (along * cos - across * sin) * stride + x;
                let cy = (along * sin + across * cos) * stride + y;
                [cx, cy, (a + c) * stride, (b + d) * stride, angle]
            }
            Self::Cell => {
                let (cx, cy) = ((a - lit(0.5)) * stride + x, (b - lit(0.5)) * stride + y);
                let side = |log: S| log.min(log.lit(MAX_LOG_SIDE)).exp() * stride;
                corners(Cxcywh { cx, cy, w: side(c), h: side(d) }.to_xyxy())
            }
        }
    }

    /// The four numbers that a box is decoded from. An angle is that of the box.
    #[inline(always)]
    pub(super) fn encode<S: Scalar>(self, truth: Fields<S>, place: Place<S>) -> [S; 4] {
        let Place { center: [x, y], size: [w, h], stride } = place;
        let [x1, y1, x2, y2, angle] = truth;
        let Cxcywh { cx, cy, w: width, h: height } = Xyxy { x1, y1, x2, y2 }.to_cxcywh();
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
            Self::RotatedDistances | Self::RotatedBins(_) => {
                let Rotated { cx, cy, w, h, angle } =
                    Rotated { cx: x1, cy: y1, w: x2, h: y2, angle };
                let (dx, dy, cos, sin) = (cx - x, cy - y, angle.cos(), angle.sin());
                let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
                let (half_w, half_h) = (w * lit(0.5), h * lit(0.5));
                [half_w - along, half_h - across, half_w + along, half_h + across]
                    .map(|distance| distance.safe_div(stride))
            }
            Self::Cell => [
                (cx - x).safe_div(stride) + lit(0.5),
                (cy - y).safe_div(stride) + lit(0.5),
                width.safe_div(stride).ln(),
                height.safe_div(stride).ln(),
            ],
        }
    }

    /// √(min(l, r) / max(l, r) · min(t, b) / max(t, b)) of a point in its truth; 0 outside.
    #[inline(always)]
    pub(super) fn centerness<S: Scalar>(self, truth: Fields<S>, place: Place<S>) -> S {
        let [l, t, r, b] = self.encode(truth, place);
        let balance = |a: S, b: S| a.min(b).relu().safe_div(a.max(b));
        (balance(l, r) * balance(t, b)).sqrt()
    }

    /// The box of raw numbers: by its corners, or rotated.
    #[inline(always)]
    pub(super) fn decode<S: Scalar>(self, raw: Fields<S>, place: Place<S>) -> Fields<S> {
        self.box_of(raw, place)
    }

    /// From the gradient by the fields of the box to that by the raw numbers.
    pub(super) fn backward<T: Compute>(
        self,
        raw: Fields<T>,
        place: Place<T>,
        grad: Fields<T>,
    ) -> Fields<T> {
        let constant = Dual::<T, 5>::constant;
        let place = Place {
            center: place.center.map(constant),
            size: place.size.map(constant),
            stride: constant(place.stride),
        };
        let variables = from_fn(|index| Dual::variable(raw[index], index));
        let fields = self.box_of(variables, place);
        from_fn(|index| {
            let slopes = fields.into_iter().zip(grad);
            slopes.fold(T::default(), |sum, (field, grad)| sum + field.partial(index) * grad)
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
