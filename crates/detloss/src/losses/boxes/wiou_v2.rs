use std::f64::consts::E;

use crate::prelude::*;

loss! {
    /// WIoU v2 loss: the WIoU loss, weighted by how bad a box is beside the others.
    ///
    /// ```text
    /// L = β^γ exp(ρ² / c²) · (1 − IoU),    β = (1 − IoU) / m
    /// ```
    ///
    /// where IoU is that of prediction and target, ρ the distance between their centres, c the diagonal of the smallest box that
    /// holds both, and m the running mean of 1 − IoU over the batches of a training run. c and β are constants for the gradient.
    ///
    /// As predictions get better, 1 − IoU would weigh all of them less and slow down the end of the training; a mean that falls with
    /// them keeps the weights where they were. Version 3 does not let the worst boxes count most.
    ///
    /// # Gradient
    ///
    /// β^γ times that of [`Wiou`](super::Wiou): c and β are detached. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// γ = 0.5 as in the authors' code. What is remembered is m, which begins at 1: a step takes (1 − momentum) m + momentum times the
    /// mean 1 − IoU of its boxes, and divides by the new m. A weight of 0 leaves a box out of that mean, the others count alike; a
    /// batch of which none counts leaves m as it is. The authors' momentum is 0.01, or 1 − 0.05^(1/(n t)) for n batches per epoch
    /// and t epochs until progress slows. Outside of a training run m is 1; an m below 1e-6 counts as that.
    /// Ports keep m in the class, so that models share it and checkpoints lose it, and go on with it in validation.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wiou_v2", "WIoU v2" => pub struct WiouV2: Formula {
        /// How strongly bad boxes count more. 0 gives WIoU.
        gamma: f64 = 0.5 in 0.0..=2.0,
        /// How much of the mean comes from the last batch.
        momentum: f64 = 0.01 in 0.0..=1.0,
    }
}

impl BoxLoss for WiouV2 {
    const FACTS: Facts =
        Facts::range(0.0, E).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // √(1/2) / 2.
        case("same centre", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.353_553_390_6),
        case("same centre, γ = 2", &[-1., -1., 1., 1.], &[-2., -1., 2., 1.], 0.125)
            .with(&[("gamma", 2.0)]),
        // e^(1/4).
        case("share a corner", &[0., 0., 1., 1.], &[1., 1., 2., 2.], 1.284_025_416_7),
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], E),
    ];

    const FOCUSING: Option<fn(&Self) -> Focusing> =
        Some(|loss| Focusing::monotonic(loss.gamma, loss.momentum));

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        wise_weight(pred, target) * (lit(1.0) - terms.iou(pred, target, 0.0))
    }
}
