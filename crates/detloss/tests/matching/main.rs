//! Every matcher against a slow definition in its own words, and the laws that hold for all of them.

mod assignment;
mod hungarian;
mod max_iou;
mod sampling;
mod scenes;
