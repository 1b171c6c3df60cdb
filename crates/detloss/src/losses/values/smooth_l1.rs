use crate::prelude::*;

loss! {
    /// Smooth L1 loss: quadratic near the target, linear far from it.
    "smooth_l1", "SmoothL1" => pub struct SmoothL1: Formula {
        /// Where the loss becomes linear. 0 is the L1 loss.
        beta: f64 = 1.0 in 0.0..=1e6,
    }
}

impl Loss for SmoothL1 {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts = Facts {
        range: (0.0, f64::INFINITY),
        zero_at_target: true,
        symmetric: true,
        scale_invariant: false,
        shift_invariant: true,
    };

    const CASES: &'static [Case] = &[case("in the bowl", &[0.5], &[0.0], 0.125)];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        let distance = (pred - target).abs();
        let bowl = distance.square() * lit(0.5 / self.beta);
        S::if_lt(distance, distance.lit(self.beta), bowl, distance - lit(0.5 * self.beta))
    }
}
