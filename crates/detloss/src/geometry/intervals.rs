//! Two intervals on a line.

use crate::scalar::Scalar;

/// An interval, and another one whose middle is the origin: what two boxes cover in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Intervals<S> {
    /// The middle of the interval.
    pub center: S,
    /// Half its length.
    pub half: S,
    /// Half the length of the other one.
    pub other_half: S,
}

impl<S: Scalar> Intervals<S> {
    /// The length that both cover; where they are apart, minus the gap between them.
    pub fn shared(self) -> S {
        let (start, end) = (self.center - self.half, self.center + self.half);
        end.min(self.other_half) - start.max(-self.other_half)
    }

    /// The length of the smallest interval that holds both.
    pub fn hull(self) -> S {
        let (start, end) = (self.center - self.half, self.center + self.half);
        end.max(self.other_half) - start.min(-self.other_half)
    }

    /// What they share, or minus the gap, as a part of the hull: from −1 to 1, and 0 for two points at one place.
    pub fn giou(self) -> S {
        self.shared().safe_div(self.hull())
    }
}
