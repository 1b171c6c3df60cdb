//! Every loss function of object detection: one formula each, exact gradients, fused SIMD kernels.

#![deny(unsafe_code)]

pub mod batch;
pub mod error;
pub mod geometry;
pub mod information;
pub mod loss;
pub mod losses;
mod macros;
pub mod prelude;
pub mod scalar;
#[cfg(feature = "testing")]
pub mod testing;
pub mod voting;

pub use batch::Batch;
pub use error::{Error, Result};
