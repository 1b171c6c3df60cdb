//! Scalars of the formulas.

pub(crate) mod lanes;
