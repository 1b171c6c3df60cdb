use std::f64::consts::E;

use crate::prelude::*;

loss! {
    /// WIoU v3 loss: the WIoU loss, weighted most for boxes that are neither good nor hopeless.
    ///
    /// ```text
    /// L = β / (δ α^(β − δ)) exp(ρ² / c²) · (1 − IoU),    β = (1 − IoU) / m
    /// ```
    ///
    /// where IoU is that of prediction and target, ρ the distance between their centres, c the diagonal of the smallest box that
    /// holds both, and m the running mean of 1 − IoU over the batches of a training run. c and β are constants for the gradient.
    ///
    /// The weight is 0 for a perfect box, largest at β = 1 / ln α, 1 at β = δ, and falls from there on: a box much worse than the
    /// average is likely to be one of a bad label, and spared. Which boxes those are, moves on with the training.
    ///
    /// # Gradient
    ///
    /// β / (δ α^(β − δ)) times that of [`Wiou`](super::Wiou): c and β are detached. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// α = 1.9 and δ = 3 as in the paper; the authors' code has 1.7 and 2.7 now. What is remembered is m, which begins at 1: a step
    /// takes (1 − momentum) m + momentum times the mean 1 − IoU of its boxes, and divides by the new m. A weight of 0 leaves a box out
    /// of that mean, the others count alike; a batch of which none counts leaves m as it is. The authors' momentum is 0.01, or
    /// 1 − 0.05^(1/(n t)) for n batches per epoch and t epochs until progress slows. Outside of a training run m is 1; an m below 1e-6
    /// counts as that. Ports keep m in the class, so that models share it and checkpoints lose it, and go on with it in validation.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wiou_v3", "WIoU v3" => pub struct WiouV3: Formula {
        /// How fast the weight falls for boxes that are worse than most.
        alpha: f64 = 1.9 in 1.0..=3.0,
        /// The β whose weight is 1.
        delta: f64 = 3.0 in 0.5..=5.0,
        /// How much of the mean comes from the last batch.
        momentum: f64 = 0.01 in 0.0..=1.0,
    }
}

impl BoxLoss for WiouV3 {
    // At β = 1, which is the most that there is at m = 1.
    const FACTS: Facts = Facts::range(0.0, E * 3.61 / 3.0)
        .zero_at_target()
        .symmetric()
        .scale_invariant()
        .shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // 1.9^2.5 / 12.
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.414_670_133_3),
        // The weight of β = δ is 1.
        case("as bad as δ", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.5).with(&[("delta", 0.5)]),
        // 3.61/3 e^(1/4).
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.545_110_584_7),
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], E * 3.61 / 3.0),
    ];

    const FOCUSING: Option<fn(&Self) -> Focusing> =
        Some(|loss| Focusing::non_monotonic(loss.alpha, loss.delta, loss.momentum));

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        wise_weight(pred, target) * (lit(1.0) - terms.iou(pred, target, 0.0))
    }
}
