//! Boxes by their centre and size.

use super::Xyxy;
use crate::scalar::{Scalar, lit};

/// An axis-aligned box by its centre (cx, cy), width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cxcywh<S> {
    /// Horizontal centre.
    pub cx: S,
    /// Vertical centre.
    pub cy: S,
    /// Width.
    pub w: S,
    /// Height.
    pub h: S,
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
