use crate::prelude::*;

loss! {
    /// IoU loss of UnitBox: the negative logarithm of the IoU, steep where the overlap is small.
    ///
    /// ```text
    /// L = −ln max(|A∩B| / |A∪B|, floor)
    /// ```
    ///
    /// where A is the prediction and B the target.
    ///
    /// Reading the IoU as the probability of a hit, this is its cross entropy. It pulls harder than the linear IoU loss the
    /// less two boxes overlap, up to 1/IoU times as hard, which suits heads whose boxes always overlap the target (FCOS).
    /// Boxes that do not overlap do not move.
    ///
    /// # Gradient
    ///
    /// The gradient of the linear IoU loss divided by the IoU. 0 below the floor: for disjoint and touching boxes and for an
    /// empty or inverted prediction. At the floor, and where two edges meet, the slope is the mean of both sides; identical
    /// boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// The floor of 1e-6 is that of MMDetection, whose default IoU loss this is; the paper has none and is infinite there.
    /// KerasCV takes the logarithm of the mean IoU, which is not the mean of these logarithms.
    ///
    /// # References
    ///
    /// Yu, Jiang, Wang, Cao, Huang, *UnitBox: An Advanced Object Detection Network*, ACM Multimedia 2016.
    /// <https://arxiv.org/abs/1608.01471>
    "iou_log", "IoU (log)" => pub struct IouLog: Formula {
        /// An IoU below this counts as this, so that boxes without overlap have a finite loss.
        floor: f64 = 1e-6 in 1e-12..=0.1,
    }
}

impl BoxLoss for IouLog {
    const FACTS: Facts = Facts::range(0.0, 13.815_510_557_964_274)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        case(
            "quarter inside: ln 4",
            &[0., 0., 1., 1.],
            &[-1., -1., 1., 1.],
            1.386_294_361_119_890_6,
        ),
        case("share an edge: ln 1e6", &[0., 0., 1., 1.], &[0., 1., 1., 2.], 13.815_510_557_964_274),
        case("far apart: ln 1e6", &[0., 0., 1., 1.], &[8., 8., 9., 9.], 13.815_510_557_964_274),
        case("higher floor: ln 100", &[0., 0., 1., 1.], &[8., 8., 9., 9.], 4.605_170_185_988_092)
            .with(&[("floor", 0.01)]),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let iou = terms.iou(pred, target, 0.0);
        // Subtracted from 0 rather than negated: a perfect box costs 0, not −0.
        lit(0.0) - iou.max(iou.lit(self.floor)).ln()
    }
}
