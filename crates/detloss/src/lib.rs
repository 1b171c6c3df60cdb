//! Every loss function of object detection.

#[allow(dead_code)]
mod scalar;
