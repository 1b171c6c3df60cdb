//! Boxes with an angle.

use super::ratio;
use crate::scalar::{Scalar, lit};

/// The largest angle that counts, in radians: eight thousand turns. The sine of a difference of two is accurate.
pub const MAX_ANGLE: f64 = 50_000.0;

/// A box with a side below this, 2⁻³⁷ = 7.3e-12, is empty: the slopes of an overlap with it would leave `f32`.
pub const MIN_SIDE: f64 = 1.0 / 137_438_953_472.0;

/// A rotated box: its centre (cx, cy), its sides, and the angle in radians by which it is turned, from x towards y.
///
/// Where y points down, a positive angle turns clockwise on the screen. Any angle will do. A box with a negative side is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotated<S> {
    /// Horizontal centre.
    pub cx: S,
    /// Vertical centre.
    pub cy: S,
    /// The side along the angle.
    pub w: S,
    /// The side across the angle.
    pub h: S,
    /// The angle in radians.
    pub angle: S,
}

impl<S: Scalar> Rotated<S> {
    /// Both sides, not below 0.
    #[inline(always)]
    pub fn sides(self) -> [S; 2] {
        [self.w.relu(), self.h.relu()]
    }

    /// The corners, x and y each: around the box from (−w, −h) to (w, −h) in the box's own directions.
    #[inline(always)]
    pub fn corners(self) -> [[S; 2]; 4] {
        corners([self.cx, self.cy], [self.angle.cos(), self.angle.sin()], self.sides())
    }

    /// This box as seen from another one.
    #[inline(always)]
    pub fn seen_from(self, other: Self) -> Seen<S> {
        // Differences first: far from the origin, a turned coordinate would be rounded to more than this distance.
        let offset = [self.cx - other.cx, self.cy - other.cy];
        let [cos, sin] = direction_between(other.angle, self.angle);
        let center = turned_back(offset, [other.angle.cos(), other.angle.sin()]);
        let back = turned_back(center, [cos, sin]);
        Seen { center, back, cos, sin, sides: self.sides(), frame: other.sides() }
    }
}

/// A rotated box in the frame of another one, whose centre is the origin and whose sides lie along the axes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<S> {
    /// The centre of the box in the frame.
    pub center: [S; 2],
    /// The same vector, from the other centre to this one, along the sides of the box.
    pub back: [S; 2],
    /// The cosine of the angle of the box in the frame.
    pub cos: S,
    /// The sine of that angle.
    pub sin: S,
    /// The sides of the box.
    pub sides: [S; 2],
    /// The sides of the other one, whose frame it is.
    pub frame: [S; 2],
}

impl<S: Scalar> Seen<S> {
    /// Half the width and half the height that the box takes in the frame.
    #[inline(always)]
    pub fn extent(self) -> [S; 2] {
        self.extent_of(self.sides)
    }

    /// Half the width and half the height that the other one takes in the frame of the box.
    #[inline(always)]
    pub fn extent_back(self) -> [S; 2] {
        self.extent_of(self.frame)
    }

    #[inline(always)]
    fn extent_of(self, [w, h]: [S; 2]) -> [S; 2] {
        let (cos, sin) = (self.cos.abs() * lit(0.5), self.sin.abs() * lit(0.5));
        [cos * w + sin * h, sin * w + cos * h]
    }

    /// The area that both boxes cover; exactly 0 for disjoint ones.
    ///
    /// The overlap is the area between the outline of the box and the axis of the frame, with the outline held within the other
    /// box: an integral over each edge by itself, which needs neither a polygon nor an order of its corners.
    #[inline(always)]
    pub fn overlap(self) -> S {
        let ([w, h], [frame_w, frame_h]) = (self.sides, self.frame);
        let half = [frame_w * lit(0.5), frame_h * lit(0.5)];
        let [a, b, c, d] = corners(self.center, [self.cos, self.sin], self.sides);
        let twice =
            (under(a, b, half) + under(b, c, half)) + (under(c, d, half) + under(d, a, half));
        let zero = twice.lit(0.0);
        // What rounding makes of a corner that only just touches.
        let area = S::if_lt(zero, twice, zero, twice * lit(-0.5));
        // No overlap where there is a gap, or a side that is too short. NaN is neither.
        let least = w.min(h).min(frame_w).min(frame_h);
        let apart = self.gap().max(lit(MIN_SIDE) - least);
        S::if_lt(zero, apart, zero, area)
    }

    /// The widest gap between the boxes in the four directions of their sides; none where it is not positive (separating axes).
    #[inline(always)]
    fn gap(self) -> S {
        let ([x, y], [back_x, back_y]) = (self.center, self.back);
        let ([w, h], [frame_w, frame_h]) = (self.sides, self.frame);
        let ([e, f], [back_e, back_f]) = (self.extent(), self.extent_back());
        let of_frame = beyond(x, e, frame_w).max(beyond(y, f, frame_h));
        of_frame.max(beyond(back_x, back_e, w)).max(beyond(back_y, back_f, h))
    }

    /// The areas of the intersection and of the union.
    #[inline(always)]
    pub fn overlap_and_union(self) -> (S, S) {
        let ([w, h], [frame_w, frame_h]) = (self.sides, self.frame);
        let overlap = self.overlap();
        (overlap, w.mul_add(h, frame_w * frame_h) - overlap)
    }

    /// Intersection over union; 0 for two empty boxes.
    #[inline(always)]
    pub fn iou(self) -> S {
        let (overlap, union) = self.overlap_and_union();
        ratio(overlap, union, 0.0)
    }

    /// Width and height of the smallest rectangle along the frame that holds both boxes.
    #[inline(always)]
    pub fn hull(self) -> [S; 2] {
        let ([x, y], [e, f], [frame_w, frame_h]) = (self.center, self.extent(), self.frame);
        [span(x, e, frame_w), span(y, f, frame_h)]
    }
}

/// How far two intervals are apart: one about 0, of this length, and one that reaches this far from its centre. Negative where they meet.
#[inline(always)]
fn beyond<S: Scalar>(center: S, extent: S, length: S) -> S {
    center.abs() - (length * lit(0.5) + extent)
}

/// The length of the interval that holds both.
#[inline(always)]
fn span<S: Scalar>(center: S, extent: S, length: S) -> S {
    let half = length * lit(0.5);
    (center + extent).max(half) - (center - extent).min(-half)
}

/// The cosine and sine of `to − from`.
///
/// What the difference is rounded by is made good (Knuth's two-sum), so that angles of many turns lose no digit here.
#[inline(always)]
fn direction_between<S: Scalar>(from: S, to: S) -> [S; 2] {
    let turn = to - from;
    let of_from = to - turn;
    let of_to = turn + of_from;
    let rest = (to - of_to) + (of_from - from);
    let (cos, sin) = (turn.cos(), turn.sin());
    [cos - rest * sin, sin + rest * cos]
}

/// A vector in a frame that is turned by this direction.
#[inline(always)]
pub(super) fn turned_back<S: Scalar>([x, y]: [S; 2], [cos, sin]: [S; 2]) -> [S; 2] {
    [x * cos + y * sin, y * cos - x * sin]
}

#[inline(always)]
fn corners<S: Scalar>([x, y]: [S; 2], [cos, sin]: [S; 2], [w, h]: [S; 2]) -> [[S; 2]; 4] {
    let (half_w, half_h) = (w * lit(0.5), h * lit(0.5));
    let (along, across) = ([cos * half_w, sin * half_w], [-(sin * half_h), cos * half_h]);
    let sum = [along[0] + across[0], along[1] + across[1]];
    let difference = [along[0] - across[0], along[1] - across[1]];
    [
        [x - sum[0], y - sum[1]],
        [x + difference[0], y + difference[1]],
        [x + sum[0], y + sum[1]],
        [x - difference[0], y - difference[1]],
    ]
}

/// Twice the area under an edge where |x| is no more than half the width of the frame, y being held within half its height.
#[inline(always)]
fn under<S: Scalar>(from: [S; 2], to: [S; 2], [half_w, half_h]: [S; 2]) -> S {
    let ([x, y], [next_x, next_y]) = (from, to);
    let (run, rise) = (next_x - x, next_y - y);
    let (start, end) = (within(x, half_w), within(next_x, half_w));
    // Where on the edge it enters and leaves, from the near end and from the far one: a vertical edge is all of it.
    let enters = fraction(start - x, run).clamp(0.0, 1.0);
    let leaves = lit(1.0) - fraction(next_x - end, run).clamp(0.0, 1.0);
    let (first, last) = (y + enters * rise, y + leaves * rise);
    let (low, high) = (within(first, half_h), within(last, half_h));
    // The part of the way in y that lies within.
    let inside = fraction(high - low, last - first);
    (end - start) * ((low + high) + inside * ((first - low) + (last - high)))
}

#[inline(always)]
fn within<S: Scalar>(x: S, limit: S) -> S {
    x.max(-limit).min(limit)
}

/// `part / whole` for a whole of either sign; 0 where there is none.
#[inline(always)]
fn fraction<S: Scalar>(part: S, whole: S) -> S {
    S::if_lt(whole, whole.lit(0.0), -part, part).safe_div(whole.abs())
}
