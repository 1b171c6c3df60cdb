use super::prelude::*;
use super::set_prediction::{classes, head};

criterion! {
    /// RF-DETR and LW-DETR: IoU-aware cross entropy, L1 and GIoU, with thirteen groups of queries.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. Each group of queries is matched by itself, of the decoder's
    /// layers and of the encoder's proposals. Models that are fine-tuned with one group take
    /// `rf_detr(matcher=hungarian)`.
    ///
    /// # Conventions
    ///
    /// A match whose box misses its truth is asked for a score of 0.01. The port of transformers takes logarithms of scores, which are infinite
    /// for saturated logits; here, as in the original, they are those of logits. `class_error` and `cardinality_error` of its report are no
    /// losses.
    ///
    /// # References
    ///
    /// Robinson, Robicheaux, Popov, Ramanan, Peri, *RF-DETR: Neural Architecture Search for Real-Time Detection Transformers*, 2025.
    /// <https://arxiv.org/abs/2511.09554>
    "rf_detr", "lw_detr" => "RF-DETR", "rfdetr 1.11.2, models/criterion.py",
    {
        let hungarian = Hungarian { groups: 13, ..Hungarian::default() };
        let of = |name| head(name, hungarian, classes("ce", IaBce::default(), Labels::Iou));
        Criterion::new([of("decoder"), of("encoder")]).all_reduced()
    }
}
