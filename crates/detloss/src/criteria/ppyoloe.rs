use super::prelude::*;
use super::task_aligned::{boxes, classes, distribution};

criterion! {
    /// PP-YOLOE: varifocal loss, GIoU, and distributions of the four sides over 17 bins, with task-aligned matching.
    ///
    /// All sums are divided by the sum of the scores. For its first epochs the original matches by ATSS: `ppyoloe(matcher=atss)`.
    ///
    /// # References
    ///
    /// Xu, Wang, Lv, Chang, Cui, Deng, Wang, Dang, Wei, Du, Lai, *PP-YOLOE: An evolved version of YOLO*, 2022.
    /// <https://arxiv.org/abs/2203.16250>
    "ppyoloe" => "PP-YOLOE", "libreyolo 1.6.0, PP-YOLOE",
    {
        let assigner = TaskAligned {
            topk: 13,
            alpha: 1.0,
            min_side: 0.0,
            margin: 0.0,
            among: 0,
            ..TaskAligned::default()
        };
        let assigner = matcher(assigner).with_overlap(overlap(Iou::default())).expect("it takes an overlap");
        Criterion::new([Head::new("head", Decoder::Bins(17), assigner, [
            classes("cls", Varifocal::default()),
            boxes(Iou::NAME, Giou::default(), Unit::Strides).weight(2.5),
            distribution("dfl").weight(0.5),
        ])])
        .all_reduced()
    }
}
