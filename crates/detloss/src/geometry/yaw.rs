//! Upright boxes in space.

use super::xyzxyz::norm_squared;
use super::{Intervals, MIN_SIDE, Rotated, Seen};
use crate::scalar::{Scalar, lit};

/// A box in space that stands upright: its centre (cx, cy, cz), its sides, and the angle in radians by which it is turned about the
/// vertical axis z, from x towards y.
///
/// Any angle will do. A box with a negative side is empty, and so is one with a side below [`MIN_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yaw<S> {
    /// The centre in x.
    pub cx: S,
    /// The centre in y.
    pub cy: S,
    /// The centre in z, not the bottom.
    pub cz: S,
    /// The side along the angle.
    pub dx: S,
    /// The side across the angle.
    pub dy: S,
    /// The height.
    pub dz: S,
    /// The angle in radians.
    pub yaw: S,
}

impl<S: Scalar> Yaw<S> {
    /// The box from above.
    pub fn footprint(self) -> Rotated<S> {
        Rotated { cx: self.cx, cy: self.cy, w: self.dx, h: self.dy, angle: self.yaw }
    }

    /// This box as seen from another one.
    pub fn seen_from(self, other: Self) -> SeenYaw<S> {
        SeenYaw {
            from_above: self.footprint().seen_from(other.footprint()),
            upright: Intervals {
                center: self.cz - other.cz,
                half: self.dz.relu() * lit(0.5),
                other_half: other.dz.relu() * lit(0.5),
            },
        }
    }
}

/// An upright box in the frame of another one.
#[derive(Clone, Copy, Debug)]
pub struct SeenYaw<S> {
    /// Both boxes from above.
    pub from_above: Seen<S>,
    /// What they cover in z.
    pub upright: Intervals<S>,
}

impl<S: Scalar> SeenYaw<S> {
    /// The volumes of the intersection and of the union.
    pub fn overlap_and_union(self) -> (S, S) {
        let Seen { sides: [dx, dy], frame: [frame_dx, frame_dy], .. } = self.from_above;
        let Intervals { half, other_half, .. } = self.upright;
        let (shared, zero) = (self.upright.shared(), half.lit(0.0));
        let gap = (-shared).max(lit(MIN_SIDE * 0.5) - half.min(other_half));
        // A product, so that a NaN on either side stays.
        let overlap = self.from_above.overlap() * S::if_lt(zero, gap, zero, shared.relu());
        let (volume, frame_volume) = (dx * dy * half, frame_dx * frame_dy * other_half);
        (overlap, (volume + frame_volume) * lit(2.0) - overlap)
    }

    /// Intersection over union; 0 for two empty boxes.
    pub fn iou(self) -> S {
        let (overlap, union) = self.overlap_and_union();
        overlap.safe_div(union)
    }

    /// The volume of a shape that holds both boxes, over a rectangle along the other one or over the convex hull from above; 0 for one
    /// as thin as nothing.
    pub fn hull_volume(self, convex: bool) -> S {
        let (area, height) = (self.from_above.hull_area(convex), self.upright.hull());
        S::if_lt(height, height.lit(MIN_SIDE), height.lit(0.0), area * height)
    }

    /// The square of the distance between the centres, as a part of the square of the diagonal of the hull over the rectangle.
    pub fn center_distance_ratio(self) -> S {
        let ([x, y], [width, depth]) = (self.from_above.center, self.from_above.hull());
        let distance = norm_squared([x, y, self.upright.center]);
        distance.safe_div(norm_squared([width, depth, self.upright.hull()]))
    }

    /// The squares of the distances of the eight corners from those of the other box, or from those of the other box turned by half a
    /// turn: for each corner the smaller one.
    pub fn corner_distances_squared(self) -> [S; 8] {
        let Intervals { center, half, other_half } = self.upright;
        let heights = [center + (half - other_half), center - (half - other_half)];
        let corners = self.from_above.corners().into_iter().zip(self.from_above.frame_corners());
        let mut distances = [center; 8];
        for (pair, (corner, frame)) in distances.chunks_mut(2).zip(corners) {
            let ([x, y], [frame_x, frame_y]) = (corner, frame);
            let straight = (x - frame_x).square() + (y - frame_y).square();
            let turned = (x + frame_x).square() + (y + frame_y).square();
            for (distance, height) in pair.iter_mut().zip(heights) {
                *distance = straight.min(turned) + height.square();
            }
        }
        distances
    }
}
