use crate::prelude::*;

loss! {
    /// Gaussian Wasserstein distance loss: how far two boxes are apart as normal distributions.
    ///
    /// ```text
    /// L = 1 − 1 / (τ + √d)
    /// d = |c − C|² + tr S + tr T − 2 tr (S^½ T S^½)^½
    /// ```
    ///
    /// where c and C are the centres of prediction and target, and S and T their covariances: the squares of half the sides,
    /// turned by the angle.
    ///
    /// The angle needs no range and the sides no order: all ways to write a box are one distribution. Disjoint boxes attract
    /// each other. The distance is in pixels, so that large boxes weigh more than small ones; KLD has no scale.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. A square has no angle, and no slope by it: it is a circle as a distribution. The root has a kink at
    /// identical boxes, where the slope is 0, the mean of both sides.
    ///
    /// # Conventions
    ///
    /// The paper's form with τ = 1. Its other function, ln(1 + d), is `root = 0, log = 1`. MMRotate's `GDLoss` divides √d by the
    /// geometric mean of the four sides, and takes ln(1 + √d) alone: `normalize = 1, log = 1, tau = 0`; its `GDLoss_v1` is the paper's, of
    /// whose function `gwd_loss` the default is `tau = 2`. The distance itself is `root = 0, tau = 0`.
    ///
    /// Computed from differences of sides and from the angle between the boxes, without a matrix: identical boxes cost
    /// exactly 0, where the traces in `f32` leave half a square pixel. Sides count as no less than 1e-6; lengths beyond a
    /// factor of a million of the target's w + h count as that.
    ///
    /// # References
    ///
    /// Yang, Yan, Ming, Wang, Zhang, Tian, *Rethinking Rotated Object Detection with Gaussian Wasserstein Distance Loss*, ICML
    /// 2021. <https://arxiv.org/abs/2101.11952>
    "gwd", "GWD" => pub struct Gwd: Formula {
        /// τ in 1 − 1/(τ + ·). Below 1 the distance is the loss itself, without a bound.
        tau: f64 = 1.0 in 0.0..=10.0,
        /// Whether the distance is √d rather than d.
        root: bool = true,
        /// Whether the logarithm ln(1 + ·) of it is taken.
        log: bool = false,
        /// Whether lengths are divided by the geometric mean of the four sides: a loss without a scale.
        normalize: bool = false,
    }
}

impl Loss for Gwd {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("three to the right", &[3., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.], 0.75),
        case("twice as large", &[0., 0., 8., 6., 0.4], &[0., 0., 4., 3., 0.4], 5.0 / 7.0),
        case("a cross", &[0., 0., 3., 1., 0.], &[0., 0., 1., 3., 0.], 0.585_786_437_626_904_9),
        case("the distance itself", &[3., 0., 2., 1., 0.], &[0., 4., 2., 1., 0.], 25.0)
            .with(&[("root", 0.0), ("tau", 0.0)]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let both = Gaussians::new(pred, target);
        let squared = both.wasserstein_squared();
        let unit = if self.normalize {
            let [area, target_area] = both.areas();
            let mean_side = (area.sqrt() * target_area.sqrt()).sqrt();
            squared.lit(1.0).safe_div(mean_side)
        } else {
            both.unit
        };
        let distance = if self.root { squared.sqrt() * unit } else { squared * unit.square() };
        tempered(distance, self.log, self.tau)
    }
}
