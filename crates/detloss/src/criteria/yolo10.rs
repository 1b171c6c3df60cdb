use super::prelude::*;
use super::task_aligned::ultralytics;

criterion! {
    /// YOLOv10: the loss of YOLOv8 for a head with ten predictions a truth, and for one with a single prediction.
    ///
    /// Give the one-to-one head features that are detached. The total is multiplied by the number of images.
    ///
    /// # References
    ///
    /// Wang, Chen, Liu, Chen, Lin, Han, Ding, *YOLOv10: Real-Time End-to-End Object Detection*, NeurIPS 2024.
    /// <https://arxiv.org/abs/2405.14458>
    "yolo10" => "YOLOv10", "Ultralytics 8.4.190, utils/loss.py, E2EDetectLoss",
    Criterion {
        times_images: true,
        ..Criterion::new([
            ultralytics("one_to_many", TaskAligned::default()),
            ultralytics("one_to_one", TaskAligned { topk: 1, ..TaskAligned::default() }),
        ])
    }
}
