use super::prelude::*;
use super::task_aligned::{boxes, classes, distribution};
use crate::losses::rotated::{ProbIou, RotatedAngle};

criterion! {
    /// YOLOv8-OBB and YOLO11-OBB: rotated boxes by ProbIoU, distributions of the four sides, and a term for the angle.
    ///
    /// Boxes are four distributions over 16 bins of the distances along the box's own axes, and an angle in radians; truths are cx, cy, w, h,
    /// angle. A side of a truth is encoded along the truth's own angle. The total is multiplied by the number of images.
    ///
    /// # Conventions
    ///
    /// Ultralytics leaves out truths with a side below 2 pixels: leave them out before. Contested predictions are as in `yolo8`. It adds 1e-7 to terms of its ProbIoU; here nothing is
    /// added.
    ///
    /// # References
    ///
    /// Jocher, Qiu, Chaurasia, *Ultralytics YOLO*, 2023. <https://github.com/ultralytics/ultralytics>
    "yolo8_obb", "yolo11_obb" => "YOLOv8-OBB", "Ultralytics 8.4.190, utils/loss.py, v8OBBLoss",
    {
        let assigner = matcher(TaskAligned::default()).with_overlap(overlap(ProbIou::default()));
        let probiou = ProbIou { floor: 0.01, ..ProbIou::default() };
        let terms = [
            boxes("box", probiou, Unit::Strides).weight(7.5),
            classes("cls", Bce::default()).weight(0.5),
            distribution("dfl").weight(1.5),
            boxes("angle", RotatedAngle::default(), Unit::Strides),
        ];
        let head = Head::new("head", Decoder::RotatedBins(16), assigner.expect("it takes an overlap"), terms);
        Criterion { times_images: true, ..Criterion::new([head]) }
    }
}
