use super::prelude::*;
use super::task_aligned::{boxes, classes};
use crate::matching::DynamicSoftLabel;

criterion! {
    /// RTMDet: quality focal loss and GIoU, with the matching of dynamic soft labels.
    ///
    /// Boxes are distances of their four sides in strides. The score of a match is the IoU of its box; both sums are divided by the sum of
    /// the scores.
    ///
    /// # References
    ///
    /// Lyu, Zhang, Huang, Zhou, Wang, Liu, Zhang, Chen, *RTMDet: An Empirical Study of Designing Real-Time Object Detectors*, 2022.
    /// <https://arxiv.org/abs/2212.07784>
    "rtmdet" => "RTMDet", "MMDetection 3.3.0, models/dense_heads/rtmdet_head.py",
    Criterion::new([Head::new("head", Decoder::Distances, matcher(DynamicSoftLabel::default()), [
        classes("cls", QualityFocal::default()),
        boxes("bbox", Giou::default(), Unit::Given).weight(2.0),
    ])])
    .all_reduced()
}
