use super::prelude::*;
use crate::matching::SimOta;

criterion! {
    /// YOLOX: objectness of all points, classes and squared IoU of those with a truth.
    ///
    /// Anchors are points with strides: the middles of the cells. The quality is the logit of objectness, and the label of a class is the IoU
    /// of its box. All sums are divided by the positives of the batch.
    ///
    /// The L1 of the raw numbers counts once mosaic is switched off, in the last 15 of 300 epochs: `yolox(l1.weight=1)`.
    ///
    /// # References
    ///
    /// Ge, Liu, Wang, Li, Sun, *YOLOX: Exceeding YOLO Series in 2021*, 2021. <https://arxiv.org/abs/2107.08430>
    "yolox" => "YOLOX", "YOLOX 0.3, yolox/models/yolo_head.py",
    Criterion::new([Head {
        with_objectness: true,
        ..Head::new("head", Decoder::Cell, matcher(SimOta::default()), [
            Term::new(Iou::NAME, IouSquare::default(), Compares::Boxes(Unit::Given), Normalizer::Positives).weight(5.0),
            Term::new("obj", Bce::default(), Compares::Quality(Quality::Matched), Normalizer::Positives).rows(Rows::All),
            Term::new("cls", Bce::default(), Compares::Classes(Labels::Iou), Normalizer::Positives),
            Term::new(L1::NAME, L1::default(), Compares::Offsets(Sides::Sum), Normalizer::Positives).weight(0.0),
        ])
    }])
}
