use super::prelude::*;
use crate::matching::Ssd;

criterion! {
    /// SSD: cross entropy of positives and of the hardest negatives, three for each, and smooth L1 of offsets.
    ///
    /// Anchors are boxes. The first column of the logits is background, and labels of truths are from 1 on. Both sums are divided by the
    /// positives of the batch; the negatives are chosen image by image.
    ///
    /// # References
    ///
    /// Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg, *SSD: Single Shot MultiBox Detector*, ECCV 2016. <https://arxiv.org/abs/1512.02325>
    "ssd" => "SSD", "torchvision 0.29.2, models/detection/ssd.py",
    Criterion::new([Head::new("head", Decoder::Deltas([10.0, 10.0, 5.0, 5.0]), matcher(Ssd::default()), [
        Term::new("bbox_regression", SmoothL1::default(), Compares::Offsets(Sides::Sum), Normalizer::Positives),
        Term::new("classification", SoftmaxCe::default(), Compares::Classes(Labels::BackgroundFirst), Normalizer::Positives)
            .rows(Rows::HardNegatives(3)),
    ])])
}
