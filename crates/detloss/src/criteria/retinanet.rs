use super::prelude::*;

criterion! {
    /// RetinaNet: focal loss of all anchors, and L1 of the offsets of those with a truth, image by image.
    ///
    /// Anchors are boxes. Every image is divided by the number of its own positives, and the images are averaged: a picture with one object
    /// counts as much as one with a hundred. MMDetection divides by the positives of the batch, Detectron2 by a moving average of them.
    ///
    /// # References
    ///
    /// Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017. <https://arxiv.org/abs/1708.02002>
    "retinanet" => "RetinaNet", "torchvision 0.29.2, models/detection/retinanet.py",
    Criterion::new([Head::new(
        "head",
        Decoder::Deltas([1.0; 4]),
        matcher(MaxIou { high: 0.5, low: 0.4, low_quality: true, ..MaxIou::default() }),
        [
            Term::new("classification", Focal::default(), Compares::Classes(Labels::OneHot), Normalizer::PositivesOfImage)
                .rows(Rows::All),
            Term::new("bbox_regression", L1::default(), Compares::Offsets(Sides::Sum), Normalizer::PositivesOfImage),
        ],
    )])
}
