//! Boxes as named groups of scalars.

mod cxcywh;
mod xyxy;

pub use cxcywh::Cxcywh;
pub use xyxy::{Xyxy, part_of_hull, ratio};
