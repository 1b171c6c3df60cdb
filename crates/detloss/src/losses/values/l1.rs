use crate::prelude::*;

loss! {
    /// L1 loss: the absolute error.
    ///
    /// ```text
    /// ℓ = |p − t|
    /// ```
    ///
    /// where p is the prediction and t the target.
    ///
    /// Every error pulls equally hard, so that outliers do not rule, but a good prediction is never left in peace: the
    /// smooth L1 loss rounds the tip. Their sum is the textbooks' L1 distance, their mean the mean absolute error (MAE): see
    /// the reductions of [`Batch`](crate::Batch).
    ///
    /// # Gradient
    ///
    /// The sign of p − t: 1, −1, and 0 where both are equal.
    ///
    /// # Conventions
    ///
    /// Same as the L1 loss of PyTorch, torchvision and MMDetection. Detectors apply it to encoded offsets, DETR to centres
    /// and sizes as parts of the image.
    ///
    /// # References
    ///
    /// Boscovich 1757; Carion, Massa, Synnaeve, Usunier, Kirillov, Zagoruyko, *End-to-End Object Detection with
    /// Transformers*, ECCV 2020. <https://arxiv.org/abs/2005.12872>
    "l1", "L1" => pub struct L1: Formula {}
}

impl Loss for L1 {
    type Pred = Number;
    type Target = Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("equal", &[3.0], &[3.0], 0.0),
        case("too small", &[0.0], &[1.0], 1.0),
        case("too large", &[3.0], &[1.0], 2.0),
        case("far off", &[-100.0], &[20.0], 120.0),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        (pred - target).abs()
    }
}
