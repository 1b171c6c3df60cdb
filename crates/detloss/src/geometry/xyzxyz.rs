//! Boxes in space by their corners.

use super::{MIN_SIDE, part_of_hull};
use crate::scalar::{Scalar, lit};

/// The largest coordinate and the largest side of a box in space that count, 2³⁶ = 6.9e10: volumes and their slopes then stay in `f32`.
pub const MAX_3D: f64 = 68_719_476_736.0;

/// An axis-aligned box in space from its lowest corner (x1, y1, z1) to its highest corner (x2, y2, z2).
///
/// A box whose second corner is below the first in one direction is inverted, and empty; so is one with a side below [`MIN_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xyzxyz<S> {
    /// x1, y1, z1.
    pub low: [S; 3],
    /// x2, y2, z2.
    pub high: [S; 3],
}

impl<S: Scalar> Xyzxyz<S> {
    /// The sides in x, y and z, not below 0.
    pub fn sides(self) -> [S; 3] {
        [0, 1, 2].map(|k| (self.high[k] - self.low[k]).relu())
    }

    /// What both boxes cover: their intersection, empty where they are disjoint.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            low: [0, 1, 2].map(|k| self.low[k].max(other.low[k])),
            high: [0, 1, 2].map(|k| self.high[k].min(other.high[k])),
        }
    }

    /// The smallest box that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self {
            low: [0, 1, 2].map(|k| self.low[k].min(other.low[k])),
            high: [0, 1, 2].map(|k| self.high[k].max(other.high[k])),
        }
    }

    /// The product of the sides.
    pub fn volume(self) -> S {
        let [x, y, z] = self.sides();
        x * y * z
    }

    /// The volumes of the intersection and of the union.
    pub fn overlap_and_union(self, other: Self) -> (S, S) {
        let overlap = self.intersection(other).volume();
        let least = least(self.sides()).min(least(other.sides()));
        let overlap = S::if_lt(least, least.lit(MIN_SIDE), least.lit(0.0), overlap);
        (overlap, self.volume() + other.volume() - overlap)
    }

    /// Intersection over union; 0 for two empty boxes.
    pub fn iou(self, other: Self) -> S {
        let (overlap, union) = self.overlap_and_union(other);
        overlap.safe_div(union)
    }

    /// The volume of the hull of both boxes; 0 for one as thin as nothing.
    pub fn hull_volume(self, other: Self) -> S {
        let hull = self.hull(other);
        let least = least(hull.sides());
        S::if_lt(least, least.lit(MIN_SIDE), least.lit(0.0), hull.volume())
    }

    /// The square of the distance between the centres, as a part of the square of the hull's diagonal; at most 1.
    pub fn center_distance_ratio(self, other: Self) -> S {
        // Not from the two centres: far from the origin, the sum of two coordinates is rounded to more than this distance.
        let offset =
            |k: usize| ((self.low[k] - other.low[k]) + (self.high[k] - other.high[k])) * lit(0.5);
        let distance = norm_squared([0, 1, 2].map(offset));
        let hull = self.hull(other);
        let diagonal = norm_squared([0, 1, 2].map(|k| hull.high[k] - hull.low[k]));
        part_of_hull(distance, distance.safe_div(diagonal), diagonal)
    }
}

fn least<S: Scalar>([x, y, z]: [S; 3]) -> S {
    x.min(y).min(z)
}

/// The square of the length of a vector.
pub(super) fn norm_squared<S: Scalar>([x, y, z]: [S; 3]) -> S {
    x.square() + y.square() + z.square()
}
