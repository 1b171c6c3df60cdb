//! Boxes with an angle.

use super::Intervals;
use crate::scalar::{Scalar, lit};

/// The largest angle that counts, in radians: eight thousand turns. The sine of a difference of two is accurate.
pub const MAX_ANGLE: f64 = 50_000.0;

/// A box with a side below this, 2⁻³⁷ = 7.3e-12, is empty, and a hull as thin as this has no area: slopes of parts of them would
/// leave `f32`.
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
    pub fn sides(self) -> [S; 2] {
        [self.w.relu(), self.h.relu()]
    }

    /// The corners, x and y each: around the box from (−w, −h) to (w, −h) in the box's own directions.
    pub fn corners(self) -> [[S; 2]; 4] {
        corners([self.cx, self.cy], [self.angle.cos(), self.angle.sin()], self.sides())
    }

    /// 0, and NaN where a field is NaN: for a formula that does not read all of them, so that it is not overlooked.
    pub fn zero_unless_nan(self) -> S {
        let sum = (self.cx + self.cy) + (self.w + self.h) + self.angle;
        // Fields of an operand are finite or NaN, and what is compared with NaN is never less.
        S::if_lt(sum, sum.lit(f64::from(f32::MAX)), sum.lit(0.0), sum)
    }

    /// This box as seen from another one.
    pub fn seen_from(self, other: Self) -> Seen<S> {
        // Differences first: far from the origin, a turned coordinate would be rounded to more than this distance.
        let offset = [self.cx - other.cx, self.cy - other.cy];
        let direction = direction_between(other.angle, self.angle);
        let center = turned_back(offset, [other.angle.cos(), other.angle.sin()]);
        let back = turned_back(center, direction);
        Seen { center, back, direction, sides: self.sides(), frame: other.sides() }
    }
}

/// A rotated box in the frame of another one, whose centre is the origin and whose sides lie along the axes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<S> {
    /// The centre of the box in the frame.
    pub center: [S; 2],
    /// The same vector, from the other centre to this one, along the sides of the box.
    pub back: [S; 2],
    /// Cosine and sine of the angle of the box in the frame.
    pub direction: [S; 2],
    /// The sides of the box.
    pub sides: [S; 2],
    /// The sides of the other one, whose frame it is.
    pub frame: [S; 2],
}

impl<S: Scalar> Seen<S> {
    /// What both boxes cover in the two directions of the frame, then in those of the box's own sides.
    pub fn shadows(self) -> [Intervals<S>; 4] {
        let [x, y] = shadows(self.center, self.direction, self.sides, self.frame);
        let [back_x, back_y] = shadows(self.back, self.direction, self.frame, self.sides);
        [x, y, back_x, back_y]
    }

    /// The corners of the box in the frame, in the order of [`Rotated::corners`].
    pub fn corners(self) -> [[S; 2]; 4] {
        corners(self.center, self.direction, self.sides)
    }

    /// The corners of the other one in its own frame, in the same order.
    pub fn frame_corners(self) -> [[S; 2]; 4] {
        let (zero, one) = (self.frame[0].lit(0.0), self.frame[0].lit(1.0));
        corners([zero, zero], [one, zero], self.frame)
    }

    /// The area that both boxes cover; exactly 0 for disjoint ones.
    ///
    /// The overlap is the area between the outline of the box and a line along the frame, with the outline held within the other
    /// box: an integral over each edge by itself, which needs neither a polygon nor an order of its corners.
    pub fn overlap(self) -> S {
        let ([w, h], [frame_w, frame_h]) = (self.sides, self.frame);
        let half = [frame_w * lit(0.5), frame_h * lit(0.5)];
        let [a, b, c, d] = self.corners();
        // Any line will do. From one near the overlap a small one is no difference of large areas.
        let level = within(self.center[1], half[1]);
        let under = |from, to| under([from, to], half, level);
        let twice = (under(a, b) + under(b, c)) + (under(c, d) + under(d, a));
        let zero = twice.lit(0.0);
        // What rounding makes of a corner that only just touches.
        let area = S::if_lt(zero, twice, zero, twice * lit(-0.5));
        // Nothing where there is a gap in one of these directions (separating axes), or where a side is too short. A NaN is neither,
        // and stays.
        let [x, y, back_x, back_y] = self.shadows().map(Intervals::shared);
        let least = w.min(h).min(frame_w).min(frame_h);
        let gap = (-x).max(-y).max(-back_x).max(-back_y).max(lit(MIN_SIDE) - least);
        S::if_lt(zero, gap, zero, area)
    }

    /// The areas of the intersection and of the union.
    pub fn overlap_and_union(self) -> (S, S) {
        let ([w, h], [frame_w, frame_h]) = (self.sides, self.frame);
        let overlap = self.overlap();
        (overlap, w.mul_add(h, frame_w * frame_h) - overlap)
    }

    /// Intersection over union; 0 for two empty boxes.
    pub fn iou(self) -> S {
        let (overlap, union) = self.overlap_and_union();
        overlap.safe_div(union)
    }

    /// Width and height of the smallest rectangle along the frame that holds both boxes.
    pub fn hull(self) -> [S; 2] {
        let [x, y, ..] = self.shadows();
        [x.hull(), y.hull()]
    }

    /// The area of a shape that holds both boxes: that rectangle, or their convex hull. 0 for one as thin as nothing.
    pub fn hull_area(self, convex: bool) -> S {
        let [width, height] = self.hull();
        let area = if convex { self.convex_hull() } else { width * height };
        S::if_lt(area, (width + height) * lit(MIN_SIDE), area.lit(0.0), area)
    }

    /// The square of the distance between the centres, as a part of the square of the diagonal of the hull.
    pub fn center_distance_ratio(self) -> S {
        let ([x, y], [width, height]) = (self.center, self.hull());
        (x.square() + y.square()).safe_div(width.square() + height.square())
    }
}

/// What a box of these sides, at this place and in this direction, and a `frame` about the origin cover in both its directions.
fn shadows<S: Scalar>(
    [x, y]: [S; 2],
    [cos, sin]: [S; 2],
    [w, h]: [S; 2],
    [frame_w, frame_h]: [S; 2],
) -> [Intervals<S>; 2] {
    let (cos, sin) = (cos.abs() * lit(0.5), sin.abs() * lit(0.5));
    [
        Intervals { center: x, half: cos * w + sin * h, other_half: frame_w * lit(0.5) },
        Intervals { center: y, half: sin * w + cos * h, other_half: frame_h * lit(0.5) },
    ]
}

/// The cosine and sine of `to − from`.
///
/// What the difference is rounded by is made good (Knuth's two-sum), so that angles of many turns lose no digit here.
fn direction_between<S: Scalar>(from: S, to: S) -> [S; 2] {
    let turn = to - from;
    let of_from = to - turn;
    let of_to = turn + of_from;
    let rest = (to - of_to) + (of_from - from);
    let (cos, sin) = (turn.cos(), turn.sin());
    [cos - rest * sin, sin + rest * cos]
}

/// A vector in a frame that is turned by this direction.
pub(super) fn turned_back<S: Scalar>([x, y]: [S; 2], [cos, sin]: [S; 2]) -> [S; 2] {
    [x * cos + y * sin, y * cos - x * sin]
}

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

/// Twice the area from a level to an edge where |x| is no more than half the width of the frame, y being held within half its height.
fn under<S: Scalar>([from, to]: [[S; 2]; 2], [half_w, half_h]: [S; 2], level: S) -> S {
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
    let rest = (first - low) + (last - high);
    (end - start) * (((low - level) + (high - level)) + inside * rest)
}

fn within<S: Scalar>(x: S, limit: S) -> S {
    x.max(-limit).min(limit)
}

/// `part / whole` for a whole of either sign; 0 where there is none.
fn fraction<S: Scalar>(part: S, whole: S) -> S {
    S::if_lt(whole, whole.lit(0.0), -part, part).safe_div(whole.abs())
}
