use super::prelude::*;
use super::set_prediction::{classes, three_heads};

criterion! {
    /// RT-DETR as Ultralytics trains it: its varifocal loss has α = 0.25 and γ = 1.5, and its weight is differentiated.
    ///
    /// The rest is as in the [original](super::find). Boxes are cx, cy, w, h as fractions of the image, of predictions and truths.
    ///
    /// # Conventions
    ///
    /// The proposals of its encoder are the first of its layers: give them as `encoder`, which has the same terms. For a batch without truths
    /// Ultralytics has focal loss with γ = 1.5 and α = 0.25, three times of what background costs in all other batches; here it costs the
    /// same in all.
    ///
    /// # References
    ///
    /// Zhao, Lv, Xu, Wei, Wang, Dang, Liu, Chen, *DETRs Beat YOLOs on Real-time Object Detection*, CVPR 2024.
    /// <https://arxiv.org/abs/2304.08069>
    "ultralytics_rt_detr" => "RT-DETR (Ultralytics)", "Ultralytics 8.4.190, models/utils/loss.py",
    {
        let varifocal = Varifocal { alpha: 0.25, gamma: 1.5, ..Varifocal::default() };
        Criterion::new(three_heads(Hungarian::default(), &classes("class", varifocal, Labels::Iou)))
    }
}
