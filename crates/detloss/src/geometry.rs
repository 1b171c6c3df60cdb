//! Boxes as named groups of scalars.

mod angles;
mod cxcywh;
mod gaussian;
mod rotated;
mod xyxy;

pub use cxcywh::Cxcywh;
pub use gaussian::{Gaussians, tempered};
pub use rotated::{MAX_ANGLE, MIN_SIDE, Rotated, Seen};
pub use xyxy::{Xyxy, ratio};
