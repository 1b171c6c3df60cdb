use crate::prelude::*;

loss! {
    /// KL loss: the smooth L1 loss of a value that is predicted together with its uncertainty.
    ///
    /// ```text
    /// ℓ = e^−a · e² / 2 + a / 2    where e ≤ 1,    else e^−a (e − 1/2) + a / 2
    /// e = |p − t|,    a = ln σ²
    /// ```
    ///
    /// where p is the predicted value, a the predicted logarithm of its variance σ² and t the target.
    ///
    /// The part that matters of the relative entropy from the prediction, a normal distribution, to the target, a certainty.
    /// A network that cannot know an edge (occluded, ambiguous) says so and pays less for its error. The variances serve
    /// [`variance_voting`](crate::voting::variance_voting) in the suppression of duplicates.
    ///
    /// # Gradient
    ///
    /// By the value: e^−a (p − t), with p − t held within ±1. By a: 1/2 minus the first term of ℓ, which is 0 where σ² is
    /// twice the smooth L1 loss. For a equal to the limit that slope is halved, and beyond the limit it is 0. Nothing is
    /// detached.
    ///
    /// # Conventions
    ///
    /// The paper's definition, with a held within ±`limit`: without it a perfect value earns without bound by a → −∞, and
    /// e^−a leaves the range of f32. With it the loss is at least −limit/2. The constant terms of the relative entropy are
    /// left out. The authors' code has the same gradient, but reports the first term twice.
    ///
    /// # References
    ///
    /// He, Zhu, Wang, Savvides, Zhang, *Bounding Box Regression with Uncertainty for Accurate Object Detection*, CVPR 2019,
    /// eq. 9 and 10. <https://arxiv.org/abs/1809.08545>
    "kl", "KL" => pub struct Kl: Formula {
        /// A log-variance beyond ± this counts as this.
        limit: f64 = 40.0 in 1.0..=40.0,
    }
}

impl Loss for Kl {
    type Pred = UncertainNumber;
    type Target = Number;

    const FACTS: Facts = Facts::range(-20.0, f64::INFINITY);

    const CASES: &'static [Case] = &[
        case("exact, variance 1", &[3.0, 0.0], &[3.0], 0.0),
        case("exact and sure of it", &[0.0, -2.0], &[0.0], -1.0),
        case("near, variance 1", &[0.5, 0.0], &[0.0], 0.125),
        case("far, variance 1", &[0.0, 0.0], &[2.0], 1.5),
        case("far, sure, wrong", &[1.0, -2.0], &[0.0], 2.694_528_049_465_325),
        case("beyond the limit", &[0.0, -5.0], &[0.0], -0.5).with(&[("limit", 1.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: Uncertain<S>, target: S) -> S {
        let log_variance = pred.log_variance.clamp(-self.limit, self.limit);
        let error = (pred.value - target).abs();
        (-log_variance).exp() * error.smooth_l1(1.0) + log_variance * lit(0.5)
    }
}
