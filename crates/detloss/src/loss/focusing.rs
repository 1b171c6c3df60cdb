//! Focusing by the running mean of 1 − IoU: what versions 2 and 3 of Wise-IoU weigh a loss by, and themselves as modifiers.

use crate::geometry::Xyxy;
use crate::loss;
use crate::scalar::{Scalar, lit};

/// A weight by β = (1 − IoU) / m, the outlier degree of a prediction, where m is the running mean of 1 − IoU. It is a constant for the
/// gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focusing {
    /// How much of the mean comes from the last batch.
    pub momentum: f64,
    gain: Gain,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gain {
    Monotonic { gamma: f64 },
    NonMonotonic { alpha: f64, delta: f64 },
}

impl Focusing {
    /// The least that m counts as.
    const LEAST: f64 = 1e-6;

    /// β^γ: the worse a prediction, the more it counts.
    #[must_use]
    pub const fn monotonic(gamma: f64, momentum: f64) -> Self {
        Self { momentum, gain: Gain::Monotonic { gamma } }
    }

    /// β / (δ α^(β − δ)): neither the best predictions nor the worst count most, but those in between.
    #[must_use]
    pub const fn non_monotonic(alpha: f64, delta: f64, momentum: f64) -> Self {
        Self { momentum, gain: Gain::NonMonotonic { alpha, delta } }
    }

    /// The loss `value` of two boxes with its weight, at the running mean `mean`.
    pub fn weigh<S: Scalar>(self, value: S, pred: Xyxy<S>, target: Xyxy<S>, mean: S) -> S {
        // A needle's slope is near the largest number of `f32` already, and a weight is up to 1e12.
        (self.weight(pred, target, mean) * value).saturate_slope()
    }

    fn weight<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, mean: S) -> S {
        let distance = (lit(1.0) - pred.iou(target, 0.0)).detach();
        let outlier = distance.safe_div(mean.max(mean.lit(Self::LEAST)));
        match self.gain {
            Gain::Monotonic { gamma } => outlier.pow(gamma),
            Gain::NonMonotonic { alpha, delta } => {
                ((lit(delta) - outlier) * lit(alpha.ln())).exp() * outlier * lit(1.0 / delta)
            }
        }
    }
}

loss! {
    /// Wise-IoU v2: the loss weighted by how far apart the centres are, and by how bad the box is beside the others.
    ///
    /// ```text
    /// L → β^γ exp(ρ² / c²) · L,    β = (1 − IoU) / m
    /// ```
    ///
    /// where ρ is the distance between the centres, c the diagonal of the smallest box that holds both, and m the running mean of
    /// 1 − IoU. c and β are constants for the gradient. The IoU is that of the boxes as they are.
    ///
    /// With the IoU loss this is the WIoU v2 loss, whose page says more, also of the state m.
    ///
    /// # Gradient
    ///
    /// β^γ times that of the loss with `wise`.
    ///
    /// # Conventions
    ///
    /// Those of WIoU v2. A loss takes one of `wise`, `wise_v2` and `wise_v3`.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wise_v2", "Wise-v2-IoU" => pub struct WiseV2: Modifier {
        /// How strongly bad boxes count more. 0 gives `wise`.
        gamma: f64 = 0.5 in 0.0..=2.0,
        /// How much of the mean comes from the last batch.
        momentum: f64 = 0.01 in 0.0..=1.0,
    }
}

loss! {
    /// Wise-IoU v3: the loss weighted by how far apart the centres are, and most for boxes that are neither good nor hopeless.
    ///
    /// ```text
    /// L → β / (δ α^(β − δ)) exp(ρ² / c²) · L,    β = (1 − IoU) / m
    /// ```
    ///
    /// where ρ is the distance between the centres, c the diagonal of the smallest box that holds both, and m the running mean of
    /// 1 − IoU. c and β are constants for the gradient. The IoU is that of the boxes as they are.
    ///
    /// With the IoU loss this is the WIoU v3 loss, whose page says more, also of the state m.
    ///
    /// # Gradient
    ///
    /// β / (δ α^(β − δ)) times that of the loss with `wise`.
    ///
    /// # Conventions
    ///
    /// Those of WIoU v3. A loss takes one of `wise`, `wise_v2` and `wise_v3`.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wise_v3", "Wise-v3-IoU" => pub struct WiseV3: Modifier {
        /// How fast the weight falls for boxes that are worse than most.
        alpha: f64 = 1.9 in 1.0..=3.0,
        /// The β whose weight is 1.
        delta: f64 = 3.0 in 0.5..=5.0,
        /// How much of the mean comes from the last batch.
        momentum: f64 = 0.01 in 0.0..=1.0,
    }
}
