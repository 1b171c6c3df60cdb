//! Boxes by their centre and size.

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
