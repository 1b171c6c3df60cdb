use super::prelude::*;
use super::set_prediction::head;

criterion! {
    /// DETR: every layer of the decoder by its own matching, with cross entropy, L1 and GIoU.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The last column of the logits is no object; such queries
    /// count a tenth in the weighted mean of the cross entropy. Give the outputs of every layer of the decoder.
    ///
    /// # References
    ///
    /// Carion, Massa, Synnaeve, Usunier, Kirillov, Zagoruyko, *End-to-End Object Detection with Transformers*, ECCV 2020.
    /// <https://arxiv.org/abs/2005.12872>
    "detr" => "DETR", "transformers 5.24, loss/loss_for_object_detection.py",
    {
        let classes = Compares::Classes(Labels::BackgroundLast);
        let ce = Term::new("ce", SoftmaxCe::default(), classes, Normalizer::Weights)
            .rows(Rows::All)
            .row_weight(RowWeight::Background(0.1));
        let hungarian = Hungarian { softmax: true, class_weight: 1.0, ..Hungarian::default() };
        Criterion::new([head("decoder", hungarian, ce)]).all_reduced()
    }
}
