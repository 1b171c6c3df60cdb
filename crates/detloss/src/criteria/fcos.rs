use super::prelude::*;

criterion! {
    /// FCOS: focal loss of all points, GIoU and centreness of those with a truth.
    ///
    /// Anchors are points with strides in levels, and boxes are distances of their four sides in strides, which the head keeps from 0 on. The
    /// quality is the logit of centreness. All sums are divided by the positives of the batch. The paper weighs GIoU by centreness.
    ///
    /// # Conventions
    ///
    /// torchvision adds 1e-7 to the denominators of its GIoU, which moves it by 1e-7 of an area: `fcos(bbox_regression=giou(eps=1e-7))`.
    ///
    /// # References
    ///
    /// Tian, Shen, Chen, He, *FCOS: Fully Convolutional One-Stage Object Detection*, ICCV 2019. <https://arxiv.org/abs/1904.01355>
    "fcos" => "FCOS", "torchvision 0.29.2, models/detection/fcos.py",
    Criterion::new([Head::new("head", Decoder::Distances, matcher(CenterSampling::default()), [
        Term::new("classification", Focal::default(), Compares::Classes(Labels::OneHot), Normalizer::Positives).rows(Rows::All),
        Term::new("bbox_regression", Giou::default(), Compares::Boxes(Unit::Given), Normalizer::Positives),
        Term::new("bbox_ctrness", Bce::default(), Compares::Quality(Quality::Centerness), Normalizer::Positives),
    ])])
}
