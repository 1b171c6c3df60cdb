//! Masks: sums over the pixels.
