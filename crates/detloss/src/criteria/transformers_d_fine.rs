use super::prelude::*;
use super::refinement::ported_heads;
use super::set_prediction::classes;

criterion! {
    /// D-FINE as Hugging Face's transformers trains it: by each layer's own matches, and without fine-grained localization on the last layer.
    ///
    /// Other than in the [original](super::find) no matches are united, no plain boxes of the first layer count, and the distillation of
    /// queries for denoising is mixed by their own numbers. The distributions of the last layer are a teacher only: they have no gradient
    /// but by the boxes that are decoded from them.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The layers of the decoder, and of the queries for
    /// denoising, come with the logits of their distributions over N + 1 places and the boxes that these are seen from (N is 32); give them
    /// in their order, for the last one is the teacher of all others. Boxes and distributions are both outputs, with a gradient each.
    ///
    /// # Conventions
    ///
    /// transformers clamps cx, cy, w and h of predictions to 0 to 1, each without a gradient beyond, and computes a part of the losses in single
    /// precision.
    ///
    /// # References
    ///
    /// Peng, Li, Wu, Zhang, Sun, Wu, *D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement*, ICLR 2025.
    /// <https://arxiv.org/abs/2410.13842>
    "transformers_d_fine" => "D-FINE (transformers)", "transformers 5.24, loss/loss_d_fine.py",
    {
        let varifocal = Varifocal { detach: true, ..Varifocal::default() };
        Criterion::new(ported_heads(&classes("vfl", varifocal, Labels::Iou))).all_reduced()
    }
}
