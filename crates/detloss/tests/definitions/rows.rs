//! Rows of logits.
