use crate::prelude::*;

loss! {
    /// Yaw 3D IoU loss: 1 − intersection over union of two upright boxes in space, turned about z.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B|
    /// ```
    ///
    /// where A is the prediction, B the target, and |·| a volume.
    ///
    /// It trains what benchmarks of driving measure. The overlap is that of the two boxes from above, exact as under the
    /// rotated IoU loss, times that of their heights: equal boxes have an IoU of exactly 1 at any angle
    /// and place. Boxes that do not overlap all cost 1 and do not move: use the GIoU or the DIoU loss.
    ///
    /// # Gradient
    ///
    /// That of the rotated IoU loss with the shared height, and by the height the shared area. 0 for disjoint boxes and for one that
    /// is empty. Where two faces meet, the slope is the mean of both sides; identical boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// Same as `rotated_iou_3d_loss` of MMDetection3D, which needs a CUDA operation and loses corners of equal boxes. The centre in z is
    /// the middle, as in OpenPCDet; the boxes of LiDAR in MMDetection3D have the bottom there. OpenPCDet accepts corners within a
    /// centimetre. A box that points the other way is the same box: detectors add a classifier of directions. Coordinates beyond
    /// ±6.9e10 count as that; a side below 7.3e-12 or a negative one makes a box empty, and the IoU of empty boxes is 0.
    ///
    /// # References
    ///
    /// Zhou, Fang, Song, Guan, Yin, Dai, Yang, *IoU Loss for 2D/3D Object Detection*, 3DV 2019.
    /// <https://arxiv.org/abs/1908.03851>
    "yaw_iou3d", "Yaw IoU 3D" => pub struct YawIou3d: Formula {}
}

impl Loss for YawIou3d {
    type Pred = YawBox;
    type Target = YawBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 5., 2., 1., 4., 0.7], &[3., 1., 5., 2., 1., 4., 0.7], 0.0),
        case(
            "raised by half",
            &[0., 0., 1., 2., 1., 2., 0.7],
            &[0., 0., 0., 2., 1., 2., 0.7],
            2.0 / 3.0,
        ),
        case("on top", &[0., 0., 2., 2., 1., 2., 0.7], &[0., 0., 0., 2., 1., 2., 0.7], 1.0),
        case(
            "inside, turned",
            &[0., 0., 0., 1., 1., 1., 0.4],
            &[0., 0., 0., 4., 2., 2., 0.],
            0.9375,
        ),
        case("a cross", &[0., 0., 0., 4., 1., 3., 0.5], &[0., 0., 0., 1., 4., 3., 0.5], 6.0 / 7.0),
        case("far apart", &[0., 0., 0., 1., 1., 1., 0.1], &[8., 8., 8., 1., 1., 1., 0.2], 1.0),
    ];

    fn eval<S: Scalar>(&self, pred: Yaw<S>, target: Yaw<S>) -> S {
        lit(1.0) - pred.seen_from(target).iou()
    }
}
