use super::prelude::*;
use super::task_aligned::ultralytics;

criterion! {
    /// YOLOv8, YOLO11 and YOLO12: task-aligned soft labels, CIoU, and distributions of the four sides.
    ///
    /// Boxes are four distributions over 16 bins, and anchors are points with strides. The score of a match is the label of its class, and
    /// the weight of its box; all sums are divided by the sum of the scores, and the total is multiplied by the number of images.
    ///
    /// # Conventions
    ///
    /// Ultralytics adds 1e-7 to a height, a union and other terms of its CIoU, in units of strides; here nothing is added. It
    /// leaves out a truth whose four corners add up to 0 or less, far off the image. Of a prediction that two truths want with a metric of 0 it
    /// makes one of a third truth with a small score.
    ///
    /// # References
    ///
    /// Jocher, Qiu, Chaurasia, *Ultralytics YOLO*, 2023. <https://github.com/ultralytics/ultralytics>
    "yolo8", "yolo11", "yolo12" => "YOLOv8", "Ultralytics 8.4.190, utils/loss.py, v8DetectionLoss",
    Criterion { times_images: true, ..Criterion::new([ultralytics("head", TaskAligned::default())]) }
}
