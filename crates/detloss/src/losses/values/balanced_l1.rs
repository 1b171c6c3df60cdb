use crate::prelude::*;

loss! {
    /// Balanced L1 loss: the smooth L1 loss with a stronger pull on small errors.
    ///
    /// ```text
    /// ℓ = α/b (b e + β) ln(b e/β + 1) − α e    where e < β,    else γ e + β (γ/b − α)
    /// e = |p − t|,    b = e^(γ/α) − 1
    /// ```
    ///
    /// where p is the prediction, t the target and α, β, γ the parameters alpha, beta, gamma.
    ///
    /// Under the smooth L1 loss the many small errors weigh little against the few large ones. Here the slope rises to γ
    /// early: the smaller α, the earlier. The two branches meet with the same value and the same slope.
    ///
    /// # Gradient
    ///
    /// The sign of p − t times α ln(b e/β + 1), or times γ from e = β on. 0 where both are equal, without kinks.
    ///
    /// # Conventions
    ///
    /// The paper's definition, which has β = 1. Other values of β stretch the bowl so that value and slope stay continuous;
    /// MMDetection keeps b e + 1 there, whose slope is no longer α ln(b e/β + 1).
    ///
    /// # References
    ///
    /// Pang, Chen, Shi, Feng, Ouyang, Lin, *Libra R-CNN: Towards Balanced Learning for Object Detection*, CVPR 2019.
    /// <https://arxiv.org/abs/1904.02701>
    "balanced_l1", "Balanced L1" => pub struct BalancedL1: Formula {
        /// How much small errors pull: the smaller, the more.
        alpha: f64 = 0.5 in 0.1..=10.0,
        /// The slope far from the target.
        gamma: f64 = 1.5 in 0.1..=3.0,
        /// The error from which on the loss is linear.
        beta: f64 = 1.0 in 1e-6..=1e6,
    }
}

impl Loss for BalancedL1 {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    // ln(b + 1) = γ/α = 3: at e = 1 both branches give γ + γ/b − α.
    const CASES: &'static [Case] = &[
        case("equal", &[3.0], &[3.0], 0.0),
        case("in the bowl", &[0.5], &[0.0], 0.400_567_506_905_324_6),
        case("on the seam", &[2.0], &[1.0], 1.078_593_544_736_884),
        case("on the slope", &[0.0], &[3.0], 4.078_593_544_736_884),
        case("half the bowl, at half the error", &[0.25], &[0.0], 0.200_283_753_452_662_3)
            .with(&[("beta", 0.5)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        let Self { alpha, gamma, beta } = *self;
        let b = (gamma / alpha).exp_m1();
        let error = (pred - target).abs();
        let in_bowl = error.min(error.lit(beta));
        let rise = (in_bowl * lit(b / beta)).ln_1p();
        let bowl = (in_bowl + lit(beta / b)) * lit(alpha) * rise - in_bowl * lit(alpha);
        bowl + (error - in_bowl) * lit(gamma)
    }
}
