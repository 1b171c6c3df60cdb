//! Sixteen lanes at once.

pub(crate) mod math;
