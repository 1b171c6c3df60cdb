use super::prelude::*;
use super::set_prediction::{classes, head};

criterion! {
    /// Deformable DETR: every layer of the decoder by its own matching, with focal loss, L1 and GIoU.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. Give the outputs of every layer of the decoder.
    ///
    /// # Conventions
    ///
    /// The weights are those of Hugging Face's transformers: 1 for classes in loss and matching. The original's are 2:
    /// `deformable_detr(ce.weight=2, matcher=hungarian)`.
    ///
    /// # References
    ///
    /// Zhu, Su, Lu, Li, Wang, Dai, *Deformable DETR*, ICLR 2021. <https://arxiv.org/abs/2010.04159>
    "deformable_detr" => "Deformable DETR", "transformers 5.24, loss/loss_deformable_detr.py",
    Criterion::new([head(
        "decoder",
        Hungarian { class_weight: 1.0, ..Hungarian::default() },
        classes("ce", Focal::default(), Labels::OneHot),
    )])
    .all_reduced()
}
