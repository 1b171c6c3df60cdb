//! Heads whose matches have scores: the label of a class, and the weight of a box.

use super::prelude::*;
use crate::losses::AnyLoss;

/// The loss of decoded boxes.
pub(super) fn boxes(name: &str, loss: impl Into<AnyLoss>, unit: Unit) -> Term {
    Term::new(name, loss, Compares::Boxes(unit), Normalizer::Scores).row_weight(RowWeight::Score)
}

/// The loss of classes.
pub(super) fn classes(name: &str, loss: impl Into<AnyLoss>) -> Term {
    Term::new(name, loss, Compares::Classes(Labels::Score), Normalizer::Scores).rows(Rows::All)
}

/// The loss of the distributions of the sides.
pub(super) fn distribution(name: &str) -> Term {
    let compares = Compares::Distribution { margin: 0.01 };
    Term::new(name, DistributionFocal::default(), compares, Normalizer::Scores)
        .row_weight(RowWeight::Score)
}

/// The head of Ultralytics' detectors that has distributions over 16 bins.
pub(super) fn ultralytics(name: &str, assigner: TaskAligned) -> Head {
    Head::new(
        name,
        Decoder::Bins(16),
        matcher(assigner),
        [
            boxes("box", Ciou::default(), Unit::Strides).weight(7.5),
            classes("cls", Bce::default()).weight(0.5),
            distribution("dfl").weight(1.5),
        ],
    )
}

/// That which has distances themselves.
pub(super) fn ultralytics_distances(name: &str, assigner: TaskAligned) -> Head {
    let l1 = Compares::Offsets(Sides::MeanOfImage);
    Head::new(
        name,
        Decoder::Distances,
        matcher(assigner),
        [
            boxes("box", Ciou::default(), Unit::Strides).weight(7.5),
            classes("cls", Bce::default()).weight(0.5),
            Term::new(L1::NAME, L1::default(), l1, Normalizer::Scores)
                .weight(1.5)
                .row_weight(RowWeight::Score),
        ],
    )
}
