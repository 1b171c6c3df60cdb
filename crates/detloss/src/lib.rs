//! Every loss function of object detection.
