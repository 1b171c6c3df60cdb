use crate::prelude::*;

loss! {
    /// The negative logarithm of the rotated IoU, steep where the overlap is small.
    ///
    /// ```text
    /// L = −ln max(|A∩B| / |A∪B|, floor)
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// It pulls harder than the [rotated IoU loss](super::RotatedIou) the less two boxes overlap, up to 1/IoU times as hard, which
    /// suits heads whose boxes always overlap the target (rotated FCOS). Boxes that do not overlap do not move. The overlap is
    /// the exact one of that loss.
    ///
    /// # Gradient
    ///
    /// The gradient of the rotated IoU loss divided by the IoU. 0 below the floor: for disjoint and touching boxes and for an empty
    /// prediction. At the floor, and where two edges meet, the slope is the mean of both sides; identical boxes have slope 0.
    /// What `f32` loses of a small overlap the logarithm shows: values are off by 3e-5 at worst at an IoU above 0.001, by 3e-3 near
    /// the floor.
    ///
    /// # Conventions
    ///
    /// The floor of 1e-6 is that of MMRotate, whose default `RotatedIoULoss` this is; the paper has none and is infinite there.
    /// Angles and empty boxes are those of the rotated IoU loss.
    ///
    /// # References
    ///
    /// Yu, Jiang, Wang, Cao, Huang, *UnitBox: An Advanced Object Detection Network*, ACM Multimedia 2016.
    /// <https://arxiv.org/abs/1608.01471>
    "rotated_iou_log", "Rotated IoU (log)" => pub struct RotatedIouLog: Formula {
        /// An IoU below this counts as this, so that boxes without overlap have a finite loss.
        floor: f64 = 1e-6 in 1e-12..=0.1,
    }
}

impl Loss for RotatedIouLog {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts = Facts::range(0.0, 13.815_510_557_964_274)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case(
            "half overlapping: ln 3",
            &[0., 0., 2., 1., 0.],
            &[1., 0., 2., 1., 0.],
            1.098_612_288_668_109_8,
        ),
        case(
            "inside, turned: ln 8",
            &[0., 0., 1., 1., 0.4],
            &[0., 0., 4., 2., 0.],
            2.079_441_541_679_836,
        ),
        case(
            "a cross: ln 7",
            &[0., 0., 4., 1., 0.5],
            &[0., 0., 1., 4., 0.5],
            1.945_910_149_055_313_2,
        ),
        case(
            "share an edge: ln 1e6",
            &[0., 0., 1., 1., 0.],
            &[1., 0., 1., 1., 0.],
            13.815_510_557_964_274,
        ),
        case(
            "far apart: ln 1e6",
            &[0., 0., 1., 1., 0.1],
            &[8., 8., 1., 1., 0.2],
            13.815_510_557_964_274,
        ),
        case(
            "higher floor: ln 100",
            &[0., 0., 1., 1., 0.1],
            &[8., 8., 1., 1., 0.2],
            4.605_170_185_988_092,
        )
        .with(&[("floor", 0.01)]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let iou = pred.seen_from(target).iou();
        // Subtracted from 0 rather than negated: a perfect box costs 0, not −0.
        lit(0.0) - iou.max(iou.lit(self.floor)).ln()
    }
}
