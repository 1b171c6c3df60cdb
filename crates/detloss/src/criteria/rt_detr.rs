use super::prelude::*;
use super::set_prediction::{classes, three_heads};

criterion! {
    /// RT-DETR and its second version: varifocal loss, L1 and GIoU of every layer of the decoder, of the encoder's proposals, and of queries for
    /// denoising.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. The label of a match is the IoU of its box, and the weight
    /// of background is a constant for the gradient. Queries for denoising come with their pairs and the number of their groups.
    ///
    /// # References
    ///
    /// Zhao, Lv, Xu, Wei, Wang, Dang, Liu, Chen, *DETRs Beat YOLOs on Real-time Object Detection*, CVPR 2024.
    /// <https://arxiv.org/abs/2304.08069>
    "rt_detr", "rt_detr_v2" => "RT-DETR", "transformers 5.24, loss/loss_rt_detr.py",
    {
        let varifocal = Varifocal { detach: true, ..Varifocal::default() };
        Criterion::new(three_heads(Hungarian::default(), &classes("vfl", varifocal, Labels::Iou))).all_reduced()
    }
}
