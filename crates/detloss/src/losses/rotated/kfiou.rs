use crate::prelude::*;

loss! {
    /// KFIoU loss: the overlap of two boxes as a Kalman filter finds it, whatever their distance.
    ///
    /// ```text
    /// L = 1 − KFIoU,   KFIoU = V / (w h + W H − V),   V = 4 √det (S⁻¹ + T⁻¹)⁻¹
    /// ```
    ///
    /// where S and T are the covariances of prediction and target, the squares of half the sides turned by the angle, w, h, W
    /// and H the sides, and V the size of the product of both distributions.
    ///
    /// It follows the IoU of boxes about one centre, and says nothing about the centres: add a loss of these, in the paper and in
    /// MMRotate the smooth L1 loss of the encoded offsets with β = 1/9. KFIoU is at most 1/3, so that a perfect box costs 2/3.
    ///
    /// # Gradient
    ///
    /// Nothing is detached. By the centre 0. A square has no angle, and no slope by it, unless the other box is none. Identical
    /// boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// The forms are those of MMRotate, whose default is the first. There the determinant of flat boxes is NaN or counts as 0;
    /// here sides count as no less than 1e-6, and sides beyond a factor of a million of the target's w + h count as that.
    ///
    /// # References
    ///
    /// Yang, Zhou, Zhang, Yang, Wang, Yan, Zhang, Tian, *The KFIoU Loss for Rotated Object Detection*, ICLR 2023.
    /// <https://arxiv.org/abs/2201.12558>
    "kfiou", "KFIoU" => pub struct Kfiou: Formula {
        /// 0: 1 − KFIoU. 1: −ln(KFIoU + 1e-6), MMRotate's `ln`. 2: e^(1 − KFIoU) − 1, its `exp`.
        form: u32 = 0 in 0..=2,
    }
}

impl Loss for Kfiou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(2.0 / 3.0, 1.0).symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 2.0 / 3.0),
        case("anywhere", &[30., 10., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 2.0 / 3.0),
        // V = 9/10 of 6 − 9/10.
        case("a cross", &[0., 0., 3., 1., 0.5], &[0., 0., 1., 3., 0.5], 14.0 / 17.0),
        // V = 4/5 of 5 − 4/5.
        case("twice as large", &[0., 0., 2., 2., 0.], &[0., 0., 1., 1., 0.4], 17.0 / 21.0),
        case(
            "its logarithm",
            &[3., 1., 2., 1., 0.7],
            &[3., 1., 2., 1., 0.7],
            1.098_609_288_672_610_3,
        )
        .with(&[("form", 1.0)]),
        case(
            "its exponential",
            &[3., 1., 2., 1., 0.7],
            &[3., 1., 2., 1., 0.7],
            0.947_734_041_054_675_8,
        )
        .with(&[("form", 2.0)]),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let both = Gaussians::new(pred, target);
        let ([area, target_area], overlap) = (both.areas(), both.product_area());
        // The centre is no part of it.
        let kfiou = overlap.safe_div(area + target_area - overlap) + pred.zero_unless_nan();
        match self.form {
            0 => lit(1.0) - kfiou,
            1 => -(kfiou + lit(1e-6)).ln(),
            _ => (lit(1.0) - kfiou).exp_m1(),
        }
    }
}
