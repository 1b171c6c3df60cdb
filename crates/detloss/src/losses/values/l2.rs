use crate::prelude::*;

loss! {
    /// L2 loss: the squared error.
    ///
    /// ```text
    /// ℓ = (p − t)²
    /// ```
    ///
    /// where p is the prediction and t the target.
    ///
    /// Large errors pull hardest, which makes it quick far from the target and the prey of outliers. Its sum is the
    /// textbooks' squared L2 distance, its mean the mean squared error (MSE) and the root of the mean the root mean squared
    /// error (RMSE, by [`root_and_grad_into`](crate::Batch::root_and_grad_into)): see the reductions of
    /// [`Batch`](crate::Batch).
    ///
    /// # Gradient
    ///
    /// 2 (p − t), without kinks. That of the RMSE is not defined for a batch without error; there it is 0.
    ///
    /// # Conventions
    ///
    /// Same as the MSE loss of PyTorch, Keras and MMDetection. Without the factor ½ that some textbooks have. Weighted means
    /// divide by the number of values, or by the sum of the weights if asked.
    ///
    /// # References
    ///
    /// Legendre 1805, Gauss 1809: the method of least squares.
    "l2", "L2" => pub struct L2: Formula {}
}

impl Loss for L2 {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("equal", &[3.0], &[3.0], 0.0),
        case("half a unit", &[0.5], &[0.0], 0.25),
        case("too large", &[3.0], &[1.0], 4.0),
        case("far off", &[-100.0], &[20.0], 14_400.0),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        (pred - target).square()
    }
}
