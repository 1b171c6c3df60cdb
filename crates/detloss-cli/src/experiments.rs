//! Experiments on losses that need no detector and no images.

pub(crate) mod box_regression;
pub(crate) mod ranking;
pub(crate) mod rotated_regression;
