use super::prelude::*;

criterion! {
    /// Faster R-CNN: objectness and boxes of region proposals; classes and boxes of the proposals that the second stage looks at.
    ///
    /// Head `rpn`: anchors are boxes, the same for all images. There are no logits of classes: the quality is the logit of objectness. Of an
    /// image 256 anchors count that are chosen by chance, at most half of them with a truth; give every step another seed. Both terms are
    /// divided by how many were chosen in all images.
    ///
    /// Head `roi`: anchors are the proposals of each image, with the truths among them, and pairs are given: the second stage pools features
    /// of those alone that it has chosen, 512 of an image, at most a quarter with a truth (`max_iou(high=0.5, low=0.5, low_quality=0)`, then
    /// `balanced`). What fills up an image with fewer is ignored. The first column of the logits is background, and labels of truths
    /// are from 1 on. A prediction has the raw numbers of a box for every class, background too.
    ///
    /// # Conventions
    ///
    /// What is chosen depends on the seed, as in torchvision; by the same choice the numbers are the same.
    ///
    /// # References
    ///
    /// Ren, He, Girshick, Sun, *Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks*, NeurIPS 2015.
    /// <https://arxiv.org/abs/1506.01497>
    "faster_rcnn" => "Faster R-CNN", "torchvision 0.29.2, models/detection/rpn.py and roi_heads.py",
    Criterion::new([
        Head {
            sampler: Some(Sampler { size: 256, positive: 0.5 }),
            ..Head::new("rpn", Decoder::Deltas([1.0; 4]), matcher(MaxIou { high: 0.7, low: 0.3, ..MaxIou::default() }), [
                Term::new("objectness", Bce::default(), Compares::Quality(Quality::Matched), Normalizer::Rows).rows(Rows::All),
                boxes(),
            ])
        },
        Head {
            class_specific: true,
            ..Head::new("roi", Decoder::Deltas([10.0, 10.0, 5.0, 5.0]), None, [
                Term::new("classifier", SoftmaxCe::default(), Compares::Classes(Labels::BackgroundFirst), Normalizer::Rows)
                    .rows(Rows::All),
                boxes(),
            ])
        },
    ])
}

fn boxes() -> Term {
    let smooth_l1 = SmoothL1 { beta: 1.0 / 9.0 };
    Term::new("box_reg", smooth_l1, Compares::Offsets(Sides::Sum), Normalizer::Rows)
}
