use crate::prelude::*;

loss! {
    /// Huber loss: half the squared error near the target, of slope δ far from it.
    ///
    /// ```text
    /// ℓ = e² / 2    where e ≤ δ,    else δ (e − δ/2),    with e = |p − t|
    /// ```
    ///
    /// where p is the prediction, t the target and δ the parameter delta.
    ///
    /// It is δ times the smooth L1 loss with β = δ. A larger δ makes the bowl wider and the slopes steeper, whereas the
    /// smooth L1 loss keeps slopes of 1 and flattens the bowl.
    ///
    /// # Gradient
    ///
    /// p − t, held within ±δ, without kinks.
    ///
    /// # Conventions
    ///
    /// Same as PyTorch, Keras and optax, which all have δ = 1.
    ///
    /// # References
    ///
    /// Huber, *Robust Estimation of a Location Parameter*, The Annals of Mathematical Statistics 1964.
    /// <https://doi.org/10.1214/aoms/1177703732>
    "huber", "Huber" => pub struct Huber: Formula {
        /// The error from which on the loss is linear, and the slope it then has.
        delta: f64 = 1.0 in 0.0..=1e6,
    }
}

impl Loss for Huber {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("equal", &[3.0], &[3.0], 0.0),
        case("in the bowl", &[0.5], &[1.0], 0.125),
        case("on the seam", &[2.0], &[1.0], 0.5),
        case("on the slope", &[132.0], &[0.5], 131.0),
        case("gentle slope", &[3.0], &[0.0], 1.375).with(&[("delta", 0.5)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        let error = (pred - target).abs();
        let in_bowl = error.min(error.lit(self.delta));
        in_bowl.square() * lit(0.5) + (error - in_bowl) * lit(self.delta)
    }
}
