//! Experiments on losses that need no detector and no images.

pub(crate) mod box_regression;
mod random;
pub(crate) mod ranking;
