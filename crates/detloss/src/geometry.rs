//! Boxes as named groups of scalars.

mod angles;
mod cxcywh;
mod rotated;
mod xyxy;

pub use cxcywh::Cxcywh;
pub use rotated::{MAX_ANGLE, MIN_SIDE, Rotated, Seen};
pub use xyxy::{Xyxy, ratio};
