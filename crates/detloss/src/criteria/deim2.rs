use super::prelude::*;
use super::refinement::heads;
use super::set_prediction::classes;

criterion! {
    /// DEIMv2: D-FINE with the matchability-aware loss of classes, like DEIM.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The layers of the decoder, and of the queries for
    /// denoising, come with the logits of their distributions over N + 1 places and the boxes that these are seen from (N is 32); give them
    /// in their order, for the last one is the teacher of all others. Boxes and distributions are both outputs, with a gradient each.
    ///
    /// Which pairs count, and by what sums are divided, is as in `d_fine`.
    ///
    /// # Conventions
    ///
    /// The original's matcher costs −p IoU⁴ late in training; this one keeps its costs.
    ///
    /// # References
    ///
    /// Huang, Hou, Liu, Yu, Shen, *Real-Time Object Detection Meets DINOv3*, 2025. <https://arxiv.org/abs/2509.20787>
    "deim2" => "DEIMv2", "DEIMv2, engine/deim/deim_criterion.py",
    Criterion::new(heads(&classes(Mal::NAME, Mal::default(), Labels::Iou))).all_reduced()
}
