//! Boxes by their corners, also from and to their centre and size.

use super::Cxcywh;
use crate::scalar::{Scalar, lit};

/// An axis-aligned box from its top left corner (x1, y1) to its bottom right corner (x2, y2), in any unit.
///
/// A box with x2 < x1 or y2 < y1 (an inverted box) is empty: its width or height is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xyxy<S> {
    /// Left edge.
    pub x1: S,
    /// Top edge.
    pub y1: S,
    /// Right edge.
    pub x2: S,
    /// Bottom edge.
    pub y2: S,
}

impl<S: Scalar> Xyxy<S> {
    /// x2 − x1, not below 0.
    #[inline(always)]
    pub fn width(self) -> S {
        (self.x2 - self.x1).relu()
    }

    /// y2 − y1, not below 0.
    #[inline(always)]
    pub fn height(self) -> S {
        (self.y2 - self.y1).relu()
    }

    /// Width times height.
    #[inline(always)]
    pub fn area(self) -> S {
        self.width() * self.height()
    }

    /// The middle of the box: x, then y.
    #[inline(always)]
    pub fn center(self) -> [S; 2] {
        [(self.x1 + self.x2) * lit(0.5), (self.y1 + self.y2) * lit(0.5)]
    }

    /// How far inside the box a point (x, y) lies: its distance from the nearest side; negative outside.
    #[inline(always)]
    pub fn depth(self, [x, y]: [S; 2]) -> S {
        (x - self.x1).min(y - self.y1).min((self.x2 - x).min(self.y2 - y))
    }

    /// The distance of a point (x, y) in the box from the farthest side.
    #[inline(always)]
    pub fn reach(self, [x, y]: [S; 2]) -> S {
        (x - self.x1).max(y - self.y1).max((self.x2 - x).max(self.y2 - y))
    }

    /// What both boxes cover: their intersection, empty where they are disjoint.
    #[inline(always)]
    pub fn intersection(self, other: Self) -> Self {
        Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        }
    }

    /// The smallest box that holds both.
    #[inline(always)]
    pub fn hull(self, other: Self) -> Self {
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }

    /// The areas of the intersection and of the union.
    #[inline(always)]
    pub fn overlap_and_union(self, other: Self) -> (S, S) {
        let overlap = self.intersection(other).area();
        (overlap, self.width().mul_add(self.height(), other.area()) - overlap)
    }

    /// Intersection over union; 0 for two empty boxes. `eps` is added to the union, see [`ratio`].
    #[inline(always)]
    pub fn iou(self, other: Self, eps: f64) -> S {
        let (overlap, union) = self.overlap_and_union(other);
        ratio(overlap, union, eps)
    }

    /// The squares of the distances between the two corners: of width and height, also for an inverted box.
    #[inline(always)]
    pub fn extent_squared(self) -> [S; 2] {
        [(self.x2 - self.x1).square(), (self.y2 - self.y1).square()]
    }

    /// From the centre of the other box to that of this one: x, then y.
    #[inline(always)]
    pub fn center_offset(self, other: Self) -> [S; 2] {
        // Not from the two centres: far from the origin, the sum of two coordinates is rounded to more than this distance.
        let x = ((self.x1 - other.x1) + (self.x2 - other.x2)) * lit(0.5);
        let y = ((self.y1 - other.y1) + (self.y2 - other.y2)) * lit(0.5);
        [x, y]
    }

    /// The square of the distance between the centres of two boxes.
    #[inline(always)]
    pub fn center_distance_squared(self, other: Self) -> S {
        let [x, y] = self.center_offset(other);
        x.square() + y.square()
    }

    /// The square of the distance between the centres, as a part of the square of the hull's diagonal; at most 1.
    /// `eps` is added to the latter, see [`ratio`].
    #[inline(always)]
    pub fn center_distance_ratio(self, other: Self, eps: f64) -> S {
        let distance = self.center_distance_squared(other);
        let [width, height] = self.hull(other).extent_squared();
        let diagonal = width + height;
        part_of_hull(distance, ratio(distance, diagonal, eps), diagonal)
    }

    /// The squares of the differences in width and in height, as parts of the squares of the hull's width and height.
    #[inline(always)]
    pub fn size_difference_ratio(self, other: Self) -> [S; 2] {
        let [width, height] = self.hull(other).extent_squared();
        [
            (self.width() - other.width()).square().safe_div(width),
            (self.height() - other.height()).square().safe_div(height),
        ]
    }

    /// The differences in width and in height, as parts of the larger of both: from 0 to 1.
    #[inline(always)]
    pub fn relative_size_difference(self, other: Self) -> [S; 2] {
        let (w, h) = (self.width(), self.height());
        let (other_w, other_h) = (other.width(), other.height());
        [(w - other_w).abs().safe_div(w.max(other_w)), (h - other_h).abs().safe_div(h.max(other_h))]
    }

    /// The mean distance of an edge from that of the other box, in units of the size of the other box; at most 1000.
    #[inline(always)]
    pub fn relative_edge_error(self, other: Self) -> S {
        let x = (self.x1 - other.x1).abs() + (self.x2 - other.x2).abs();
        let y = (self.y1 - other.y1).abs() + (self.y2 - other.y2).abs();
        // Without a size, no error is none and any other as good as infinite.
        let (width, height) = (other.width(), other.height());
        let (width, height) = (width.max(width.lit(1e-20)), height.max(height.lit(1e-20)));
        let error = (x.safe_div(width) + y.safe_div(height)) * lit(0.25);
        error.min(error.lit(1e3))
    }

    /// The sum of the squares of the distances between the top left corners and between the bottom right corners.
    #[inline(always)]
    pub fn corner_distance_squared(self, other: Self) -> S {
        let top_left = (self.x1 - other.x1).square() + (self.y1 - other.y1).square();
        top_left + (self.x2 - other.x2).square() + (self.y2 - other.y2).square()
    }

    /// The same box by its centre and size.
    #[inline(always)]
    pub fn to_cxcywh(self) -> Cxcywh<S> {
        let [cx, cy] = self.center();
        Cxcywh { cx, cy, w: self.width(), h: self.height() }
    }
}

impl<S: Scalar> Cxcywh<S> {
    /// The same box by its corners.
    #[inline(always)]
    pub fn to_xyxy(self) -> Xyxy<S> {
        let (half_w, half_h) = (self.w * lit(0.5), self.h * lit(0.5));
        Xyxy {
            x1: self.cx - half_w,
            y1: self.cy - half_h,
            x2: self.cx + half_w,
            y2: self.cy + half_h,
        }
    }
}

/// `share` of a hull's size, or 1 where the distance is larger than that: the hull of two boxes holds both centres, but that of an
/// inverted box need not. Distance and size are squared.
#[inline(always)]
pub fn part_of_hull<S: Scalar>(distance: S, share: S, size: S) -> S {
    S::if_lt(size, distance, distance.lit(1.0), share)
}

/// `part / (whole + eps)`, with value and slope 0 where there is no whole: an epsilon does not make something of nothing.
#[inline(always)]
pub fn ratio<S: Scalar>(part: S, whole: S, eps: f64) -> S {
    let with_eps =
        if eps == 0.0 { whole } else { S::if_lt(whole.lit(0.0), whole, whole + lit(eps), whole) };
    part.safe_div(with_eps)
}
