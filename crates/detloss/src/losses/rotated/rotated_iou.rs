use crate::prelude::*;

loss! {
    /// Rotated IoU loss: 1 − intersection over union of two rotated boxes, exact.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B|
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// It trains what is measured, and sees the angle of squares, which no Gaussian loss does. Boxes that do not overlap all
    /// cost 1 and do not move: use the GIoU or the DIoU loss of rotated boxes where that happens.
    ///
    /// The overlap is a sum over the four edges of A, each held within B. Nothing is sorted and no corner is searched for, so
    /// there is no tolerance to set, and equal boxes have an IoU of exactly 1 at any angle and place, in `f32` too.
    ///
    /// # Gradient
    ///
    /// By the centre: the lengths of the edges of A inside B, along their normals. By a side: half the length inside B of the
    /// two edges at its ends. By the angle: the same with the lever arm. 0 for disjoint boxes and for one that is empty. Where
    /// two edges meet, the slope is the mean of both sides; identical boxes have slope 0. Where nearly parallel edges cross
    /// is ill-conditioned: within a pixel and 0.02 rad, slopes in `f32` are off by 3e-5 of 1 / side in one of a thousand, and by
    /// 3e-4 at worst.
    ///
    /// # Conventions
    ///
    /// The angle is in radians from x towards y; any range will do, and [`Rotated`](crate::geometry::Rotated) has the
    /// conventions of OpenCV, MMRotate, Detectron2 and Ultralytics. The difference of two angles loses no digit, but an angle itself is
    /// rounded to 4e-6 at 100 rad in `f32`; angles beyond ±50,000 count as that. A side below 7.3e-12 or a negative one makes
    /// a box empty; the IoU of empty boxes is 0.
    ///
    /// MMCV, Detectron2 and their ports collect the corners of the overlap within tolerances and sort them: equal boxes come
    /// out as 0.33 or 0.58 there, and disjoint ones as 0.27.
    ///
    /// # References
    ///
    /// Zhou, Fang, Song, Guan, Yin, Dai, Yang, *IoU Loss for 2D/3D Object Detection*, 3DV 2019.
    /// <https://arxiv.org/abs/1908.03851>
    "rotated_iou", "Rotated IoU" => pub struct RotatedIou: Formula {}
}

impl Loss for RotatedIou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 1.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("half overlapping", &[0., 0., 2., 1., 0.], &[1., 0., 2., 1., 0.], 2.0 / 3.0),
        case("share an edge", &[0., 0., 1., 1., 0.], &[1., 0., 1., 1., 0.], 1.0),
        case("inside, turned", &[0., 0., 1., 1., 0.4], &[0., 0., 4., 2., 0.], 0.875),
        // An octagon of area 2 √2 − 2.
        case(
            "a square turned by 45 degrees",
            &[0., 0., 1., 1., std::f64::consts::FRAC_PI_4],
            &[0., 0., 1., 1., 0.],
            0.292_893_218_813_452_5,
        ),
        case("a cross", &[0., 0., 4., 1., 0.5], &[0., 0., 1., 4., 0.5], 6.0 / 7.0),
        case("far apart", &[0., 0., 1., 1., 0.1], &[8., 8., 1., 1., 0.2], 1.0),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        lit(1.0) - pred.seen_from(target).iou()
    }
}
