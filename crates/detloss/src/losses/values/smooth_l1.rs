use crate::prelude::*;

loss! {
    /// Smooth L1 loss: quadratic near the target, of slope 1 far from it.
    ///
    /// ```text
    /// ℓ = e² / (2β)    where e < β,    else e − β/2,    with e = |p − t|
    /// ```
    ///
    /// where p is the prediction, t the target and β the parameter beta.
    ///
    /// It joins the calm of the L2 loss near the target with the robustness of the L1 loss far from it. β is the error that
    /// counts as large, so it depends on the unit of the values.
    ///
    /// # Gradient
    ///
    /// (p − t) / β, held within ±1, without kinks. For β = 0 it is that of the L1 loss: the sign, 0 where both are equal.
    ///
    /// # Conventions
    ///
    /// β = 1 as in the paper, PyTorch and MMDetection; 1/9 in torchvision's RPN and RoI heads; 0 in detectron2's R-CNN. The
    /// sigma of the first Detectron is 1/√β. KerasCV's `l1_cutoff` moves the seam without the curve, which then has a jump.
    ///
    /// # References
    ///
    /// Girshick, *Fast R-CNN*, ICCV 2015, eq. 3. <https://arxiv.org/abs/1504.08083>
    "smooth_l1", "Smooth L1" => pub struct SmoothL1: Formula {
        /// The error from which on the loss is linear. 0 is the L1 loss.
        beta: f64 = 1.0 in 0.0..=1e6,
    }
}

impl Loss for SmoothL1 {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("equal", &[3.0], &[3.0], 0.0),
        case("in the bowl", &[0.5], &[0.0], 0.125),
        case("on the seam", &[2.0], &[1.0], 0.5),
        case("on the slope", &[0.0], &[3.0], 2.5),
        case("narrow bowl", &[3.0], &[4.5], 1.475).with(&[("beta", 0.05)]),
        case("no bowl", &[0.25], &[0.0], 0.25).with(&[("beta", 0.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        (pred - target).abs().smooth_l1(self.beta)
    }
}
