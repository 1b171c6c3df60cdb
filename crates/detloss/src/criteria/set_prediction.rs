//! Detectors with a set of queries: DETR and all that came after it.

use super::prelude::*;
use crate::losses::AnyLoss;

/// L1 and GIoU of the matched boxes.
pub(super) fn boxes() -> [Term; 2] {
    [
        Term::new("bbox", L1::default(), Compares::Offsets(Sides::Sum), Normalizer::Truths)
            .weight(5.0),
        Term::new(Giou::NAME, Giou::default(), Compares::Boxes(Unit::Given), Normalizer::Truths)
            .weight(2.0),
    ]
}

/// A head with this loss of classes.
pub(super) fn head(name: &str, hungarian: Hungarian, classes: Term) -> Head {
    Head::new(name, Decoder::Centers, matcher(hungarian), [classes].into_iter().chain(boxes()))
}

/// The loss of all classes of all queries, divided by the number of truths.
pub(super) fn classes(name: &str, loss: impl Into<AnyLoss>, labels: Labels) -> Term {
    Term::new(name, loss, Compares::Classes(labels), Normalizer::Truths).rows(Rows::All)
}

/// The decoder's layers, the encoder's proposals, and the queries for denoising, whose pairs are given: all with the same terms.
pub(super) fn three_heads(hungarian: Hungarian, classes: &Term) -> [Head; 3] {
    let of = |name| head(name, hungarian, classes.clone());
    [of("decoder"), of("encoder"), Head { matcher: None, ..of("denoising") }]
}
