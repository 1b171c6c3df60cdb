//! What the tests of this crate and of its front-ends share (feature `testing`).
//!
//! A front-end that implements [`FrontEnd`] and calls [`check`] is held to what the crate itself is held to: the worked cases,
//! the agreement with the formula in `f64` on ordinary rows, and finite numbers on the ugliest rows there are. One of tensors calls
//! [`check_tensors`] as well.
//!
//! Nothing here names a loss: the inputs follow from what a loss says its operands are, so that a new loss is tested the moment it
//! is in [the list](crate::losses).

mod front_end;
mod inputs;
mod modified;
mod pictures;
mod request;
mod rows;
mod scene;
mod tested;
mod tolerance;

pub use front_end::{FrontEnd, GroupByGroup, check, check_tensors, count_requests, requests};
pub use inputs::{
    Random, cases, certain_target, everywhere, nasty, ordinary, perfect, scales, tied,
};
pub use modified::modified;
pub use pictures::Pictures;
pub use request::{Array, Integers, Request, Response};
pub use rows::{Memory, Rows};
pub use scene::{Scene, SceneLayer};
pub use tested::{ONLY, tested};
pub use tolerance::{Tolerance, assert_close};
