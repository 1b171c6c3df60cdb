//! Boxes as named groups of scalars.
//!
//! What has more than four fields is not inlined: its formulas are interpreted rather than compiled.

mod angles;
mod convex_hull;
mod cxcywh;
mod gaussian;
mod intervals;
mod min_area_rect;
mod rotated;
mod xyxy;
mod xyzxyz;
mod yaw;

pub use cxcywh::Cxcywh;
pub use gaussian::{Gaussians, tempered};
pub use intervals::Intervals;
pub use min_area_rect::min_area_rect;
pub use rotated::{MAX_ANGLE, MIN_SIDE, Rotated, Seen};
pub use xyxy::{Xyxy, part_of_hull, ratio};
pub use xyzxyz::{MAX_3D, Xyzxyz};
pub use yaw::{SeenYaw, Yaw};
