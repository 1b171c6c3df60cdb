use crate::prelude::*;

loss! {
    /// NWD loss: the distance of two boxes taken for normal distributions, for objects of a few pixels.
    ///
    /// ```text
    /// L = 1 − exp(−D / K),   D² = ρ² + ((w − W)² + (h − H)²) / 4
    /// ```
    ///
    /// where ρ is the distance between the centres, w and h are the sides of the prediction, W and H those of the target,
    /// and K is the parameter constant. D is the Wasserstein distance of the two normal distributions.
    ///
    /// The IoU of tiny boxes falls from 1 to 0 within a few pixels; this falls smoothly, overlap or not. D² is half the sum
    /// of the squares of the differences of the four edges, so this is the L2 norm of the error of the corners, with a
    /// bound. Only pixels count: the same error costs the same on an object of any size. Most detectors mix it with an IoU
    /// loss.
    ///
    /// # Gradient
    ///
    /// A cone: its slope has the norm 1 / (√2 K) right up to the target, where it is 0. It fades like exp(−D / K) for boxes
    /// farther apart than K, to exactly 0 in the end. Nothing is detached. Empty and inverted predictions are led like all
    /// others.
    ///
    /// # Conventions
    ///
    /// K = 12.8, the mean size of an object of AI-TOD in pixels, as in the authors' code. It is a length: boxes in 0..1 need
    /// a K to match, or everything costs nearly 0. An inverted box has negative sides here. The authors' code adds 1e-7
    /// below the root, so that a perfect box costs 2e-5; its other modes (the distance alone, its logarithm, 1 − 1 / (γ +
    /// D)) are other losses.
    ///
    /// # References
    ///
    /// Wang, Xu, Yang, Yu, *A Normalized Gaussian Wasserstein Distance for Tiny Object Detection*, 2021.
    /// <https://arxiv.org/abs/2110.13389>
    "nwd", "NWD" => pub struct Nwd: Formula {
        /// The distance that counts as large, in the unit of the boxes.
        constant: f64 = 12.8 in 0.001..=1e6,
    }
}

impl BoxLoss for Nwd {
    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // 1 − e^(−1/2): moved by 6.4.
        case("moved aside", &[0., 0., 8., 8.], &[6.4, 0., 14.4, 8.], 0.393_469_340_3),
        // 1 − e^(−1/4): the sides differ by 6.4, the centres by nothing.
        case("same centre, wider", &[0., 0., 8., 8.], &[-3.2, 0., 11.2, 8.], 0.221_199_216_9),
        // 1 − e^(−5).
        case("two points", &[0., 0., 0., 0.], &[3., 4., 3., 4.], 0.993_262_053_0)
            .with(&[("constant", 1.0)]),
        case("far apart", &[0., 0., 1., 1.], &[1e4, 0., 10_001., 1.], 1.0),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let distance = (pred.corner_distance_squared(target) * lit(0.5)).sqrt();
        terms.penalty(-(distance * lit(-1.0 / self.constant)).exp_m1())
    }
}
