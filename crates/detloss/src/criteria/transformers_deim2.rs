use super::prelude::*;
use super::refinement::{of_union, ported_heads};
use super::set_prediction::classes;

criterion! {
    /// DEIMv2 as Hugging Face's transformers trains it: γ = 2 in the loss of classes, and no fine-grained localization on the last layer.
    ///
    /// Other than in the [original](super::find) no plain boxes of the first layer count, and the distillation of queries for denoising is mixed
    /// by their own numbers. The distributions of the last layer are a teacher only: they have no gradient but by the boxes that are decoded
    /// from them.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The layers of the decoder, and of the queries for
    /// denoising, come with the logits of their distributions over N + 1 places and the boxes that these are seen from (N is 32); give them
    /// in their order, for the last one is the teacher of all others. Boxes and distributions are both outputs, with a gradient each.
    ///
    /// # Conventions
    ///
    /// γ is 2 unless a configuration says otherwise; the original's recipes have 1.5: `transformers_deim2(mal=mal(gamma=1.5))`. cx, cy,
    /// w and h of predictions are clamped to 0 to 1, each without a gradient beyond. transformers computes a part of the losses in single
    /// precision.
    ///
    /// # References
    ///
    /// Huang, Hou, Liu, Yu, Shen, *Real-Time Object Detection Meets DINOv3*, 2025. <https://arxiv.org/abs/2509.20787>
    "transformers_deim2" => "DEIMv2 (transformers)", "transformers 5.24, loss/loss_deimv2.py",
    {
        let mal = Mal { gamma: 2.0, ..Mal::default() };
        let [decoder, encoder, denoising] = ported_heads(&classes(Mal::NAME, mal, Labels::Iou));
        Criterion::new([of_union(decoder), of_union(encoder), denoising]).all_reduced()
    }
}
