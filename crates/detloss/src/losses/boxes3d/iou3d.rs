use crate::prelude::*;

loss! {
    /// 3D IoU loss: 1 − intersection over union of two axis-aligned boxes in space.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B|
    /// ```
    ///
    /// where A is the prediction, B the target, and |·| a volume.
    ///
    /// It trains what is measured, indoors for instance, where boxes are annotated without an angle. Boxes that do not
    /// overlap all cost 1 and do not move: use the GIoU or the DIoU loss of boxes in space where that happens.
    ///
    /// # Gradient
    ///
    /// By a face: the area of it that the other box shares, as a part of the union, and what its own volume adds to that. 0 for
    /// disjoint boxes and for one that is empty. Where two faces meet, the slope is the mean of both sides; identical boxes
    /// have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// That of MMDetection3D, which floors the union at 1e-6: equal boxes smaller than a centimetre cost something there. Coordinates
    /// beyond ±6.9e10 count as that; a side below 7.3e-12 makes a box empty, and so do corners in the wrong order; volumes below 2e-22
    /// are none. The IoU of empty boxes is 0.
    ///
    /// # References
    ///
    /// Zhou, Fang, Song, Guan, Yin, Dai, Yang, *IoU Loss for 2D/3D Object Detection*, 3DV 2019.
    /// <https://arxiv.org/abs/1908.03851>
    "iou3d", "IoU 3D" => pub struct Iou3d: Formula {}
}

impl Loss for Iou3d {
    type Pred = Corners3d;
    type Target = Corners3d;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 0., 1., 2., 3.], &[0., 0., 0., 1., 2., 3.], 0.0),
        case("half overlapping", &[0., 0., 0., 2., 1., 1.], &[1., 0., 0., 3., 1., 1.], 2.0 / 3.0),
        case("an eighth inside", &[0., 0., 0., 1., 1., 1.], &[0., 0., 0., 2., 2., 2.], 0.875),
        case("share a face", &[0., 0., 0., 1., 1., 1.], &[0., 0., 1., 1., 1., 2.], 1.0),
        case("one above the other", &[0., 0., 0., 1., 1., 1.], &[0., 0., 5., 1., 1., 6.], 1.0),
    ];

    fn eval<S: Scalar>(&self, pred: Xyzxyz<S>, target: Xyzxyz<S>) -> S {
        lit(1.0) - pred.iou(target)
    }
}
