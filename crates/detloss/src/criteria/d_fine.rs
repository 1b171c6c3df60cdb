use super::prelude::*;
use super::refinement::heads;
use super::set_prediction::classes;

criterion! {
    /// D-FINE: varifocal loss, L1 and GIoU, and distributions of the sides, which are refined from layer to layer.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The layers of the decoder, and of the queries for
    /// denoising, come with the logits of their distributions over N + 1 places and the boxes that these are seen from (N is 32); give them
    /// in their order, for the last one is the teacher of all others. Boxes and distributions are both outputs, with a gradient each.
    ///
    /// Boxes and distributions of ordinary queries are of the union of the matches of all layers, proposals and plain boxes
    /// included, and divided by its number; classes are of each layer's own matches. Queries for denoising come with their pairs and the
    /// number of their groups. `pre` is the plain box head of the first layer, `denoising_pre` that for denoising.
    ///
    /// # Conventions
    ///
    /// Among pairs that equally many layers have, a query finds the truth with the lowest index; the original's order is that of an unstable
    /// sort. The original takes 0 for a term that is not a number.
    ///
    /// # References
    ///
    /// Peng, Li, Wu, Zhang, Sun, Wu, *D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement*, ICLR 2025.
    /// <https://arxiv.org/abs/2410.13842>
    "d_fine" => "D-FINE", "D-FINE, src/zoo/dfine/dfine_criterion.py, config dfine_hgnetv2",
    {
        let varifocal = Varifocal { detach: true, ..Varifocal::default() };
        Criterion::new(heads(&classes("vfl", varifocal, Labels::Iou))).all_reduced()
    }
}
