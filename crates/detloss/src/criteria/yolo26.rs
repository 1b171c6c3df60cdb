use super::prelude::*;
use super::task_aligned::ultralytics_distances;

criterion! {
    /// YOLO26: boxes as distances, a head with ten predictions a truth and one with a single prediction, whose say grows during training.
    ///
    /// The weight of the one-to-many head falls from 0.8 to 0.1 and that of the other one rises from 0.2 to 0.9: use the criterion
    /// [at](super::Criterion::at) `k / (epochs − 1)` in epoch k. Distances count as fractions of the image, whose size the outputs have to
    /// have. Give the one-to-one head features that are detached. The total is multiplied by the number of images.
    ///
    /// # Conventions
    ///
    /// Those of `yolo8`.
    ///
    /// # References
    ///
    /// Jocher, Qiu, *Ultralytics YOLO26*, 2026. <https://arxiv.org/abs/2606.03748>
    "yolo26" => "YOLO26", "Ultralytics 8.4.190, utils/loss.py, E2ELoss",
    {
        let one_to_many = ultralytics_distances("one_to_many", TaskAligned::default());
        let one_to_one = ultralytics_distances("one_to_one", TaskAligned { topk: 7, topk2: 1, ..TaskAligned::default() });
        Criterion {
            times_images: true,
            ..Criterion::new([
                Head { weight: Schedule::Linear { from: 0.8, to: 0.1 }, ..one_to_many },
                Head { weight: Schedule::Linear { from: 0.2, to: 0.9 }, ..one_to_one },
            ])
        }
    }
}
