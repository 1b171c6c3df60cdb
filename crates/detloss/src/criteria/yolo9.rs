use super::prelude::*;
use super::task_aligned::ultralytics;

criterion! {
    /// YOLOv9: the loss of YOLOv8 for the main head, and a quarter of it for the auxiliary one.
    ///
    /// Each head has a matching of its own, without enlarged truths. A prediction that several truths take finds the one of the largest overlap
    /// of all. The total is multiplied by the number of images.
    ///
    /// # References
    ///
    /// Wang, Yeh, Liao, *YOLOv9: Learning What You Want to Learn Using Programmable Gradient Information*, ECCV 2024.
    /// <https://arxiv.org/abs/2402.13616>
    "yolo9" => "YOLOv9", "YOLOv9, utils/loss_tal_dual.py",
    {
        let assigner = TaskAligned { min_side: 0.0, among: 2, ..TaskAligned::default() };
        let main = ultralytics("main", assigner);
        let auxiliary = Head { weight: Schedule::Constant(0.25), ..ultralytics("auxiliary", assigner) };
        Criterion { times_images: true, ..Criterion::new([main, auxiliary]) }
    }
}
