//! What the file of a criterion needs.

pub(super) use super::criterion::{
    Compares, Criterion, Head, Labels, Layers, Normalizer, Pairs, Quality, RowWeight, Rows,
    Sampler, Schedule, Sides, Term, Unit,
};
pub(super) use super::decoder::Decoder;
pub(super) use super::entry::criterion;
pub(super) use crate::loss::Described;
use crate::losses::AnyLoss;
pub(super) use crate::losses::boxes::{Ciou, Giou, Iou, IouSquare};
pub(super) use crate::losses::rows::{DistributionFocal, SoftmaxCe, SoftmaxKl};
pub(super) use crate::losses::scores::{Bce, Focal, IaBce, Mal, QualityFocal, Varifocal};
pub(super) use crate::losses::values::{L1, SmoothL1};
use crate::matching::{AnyMatcher, Matcher, Overlap};
pub(super) use crate::matching::{CenterSampling, Hungarian, MaxIou, TaskAligned};

/// A matcher whose parameters fit one another.
pub(super) fn matcher(matcher: impl Matcher) -> AnyMatcher {
    AnyMatcher::new(matcher).expect("a criterion of the list names parameters in their ranges")
}

/// 1 minus a loss of two boxes.
pub(super) fn overlap(loss: impl Into<AnyLoss>) -> Overlap {
    Overlap::new(loss.into()).expect("a criterion of the list names losses of boxes")
}
