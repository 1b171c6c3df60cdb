use super::prelude::*;
use super::refinement::heads;
use super::set_prediction::classes;

criterion! {
    /// DEIM: D-FINE with the matchability-aware loss of classes.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The layers of the decoder, and of the queries for
    /// denoising, come with the logits of their distributions over N + 1 places and the boxes that these are seen from (N is 32); give them
    /// in their order, for the last one is the teacher of all others. Boxes and distributions are both outputs, with a gradient each.
    ///
    /// Which pairs count, and by what sums are divided, is as in `d_fine`.
    ///
    /// # References
    ///
    /// Huang, Lu, Cun, Yu, Zhou, Shen, *DEIM: DETR with Improved Matching for Fast Convergence*, CVPR 2025.
    /// <https://arxiv.org/abs/2412.04234>
    "deim" => "DEIM", "DEIM, engine/deim/deim_criterion.py, config base/deim",
    Criterion::new(heads(&classes(Mal::NAME, Mal::default(), Labels::Iou))).all_reduced()
}
