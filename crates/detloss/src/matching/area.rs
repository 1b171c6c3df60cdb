//! Where the points lie that may find a truth.

use super::tree::Rect;
use crate::geometry::{Rotated, Xyxy};
use crate::operand::Kind;
use crate::scalar::Compute;

/// The inside of a truth.
#[derive(Clone, Copy, Debug)]
pub(super) enum Area<T> {
    /// An axis-aligned box.
    Upright(Xyxy<T>),
    /// A rotated box, its angle by cosine and sine.
    Rotated(Rotated<T>, [T; 2]),
}

impl<T: Compute> Area<T> {
    /// The inside of a box of this kind, whose sides count as `min_side` at least.
    pub(super) fn new(kind: Kind, fields: &[T], min_side: T) -> Self {
        match *fields {
            [cx, cy, w, h, angle] if kind == Kind::RotatedBox => {
                let (w, h) = (at_least(w, min_side), at_least(h, min_side));
                Self::Rotated(Rotated { cx, cy, w, h, angle }, [angle.cos(), angle.sin()])
            }
            [x1, y1, x2, y2] => {
                let [x1, x2] = lengthened(x1, x2, min_side);
                let [y1, y2] = lengthened(y1, y2, min_side);
                Self::Upright(Xyxy { x1, y1, x2, y2 })
            }
            _ => unreachable!("overlaps are of boxes and of rotated boxes"),
        }
    }

    /// A window that holds it.
    pub(super) fn window(&self) -> Rect<T> {
        match *self {
            Self::Upright(Xyxy { x1, y1, x2, y2 }) => [x1, y1, x2, y2],
            Self::Rotated(Rotated { cx, cy, w, h, .. }, [cos, sin]) => {
                // With room for what sine and cosine are rounded by.
                let half = |a: T, b: T| (a + b) * a.lit(0.5 + 1e-5);
                let x = half((w * cos).abs(), (h * sin).abs());
                let y = half((w * sin).abs(), (h * cos).abs());
                [cx - x, cy - y, cx + x, cy + y]
            }
        }
    }

    /// Whether a point lies inside: by more than `margin`, or, in a rotated box, at least on its edge.
    pub(super) fn holds(&self, point: [T; 2], margin: T) -> bool {
        match *self {
            Self::Upright(upright) => upright.depth(point) > margin,
            Self::Rotated(Rotated { cx, cy, w, h, .. }, [cos, sin]) => {
                let (x, y) = (point[0] - cx, point[1] - cy);
                let (along, across) = (x * cos + y * sin, y * cos - x * sin);
                let half = x.lit(0.5);
                along.abs() <= w * half && across.abs() <= h * half
            }
        }
    }
}

fn at_least<T: PartialOrd>(length: T, least: T) -> T {
    if length < least { least } else { length }
}

/// The ends of a side, about their middle, `least` apart at least.
fn lengthened<T: Compute>(low: T, high: T, least: T) -> [T; 2] {
    if high - low < least {
        let (middle, half) = ((low + high) * low.lit(0.5), least * low.lit(0.5));
        [middle - half, middle + half]
    } else {
        [low, high]
    }
}
