use crate::prelude::*;

loss! {
    /// Quality focal loss: the focal loss for labels that say how good a box is.
    ///
    /// ```text
    /// L = |y − p|^β · (−y ln p − (1 − y) ln(1 − p)),    p = 1 / (1 + e^−x)
    /// ```
    ///
    /// where x is the logit, y the label (the IoU of the predicted box for the class of its object, else 0) and β the
    /// parameter beta.
    ///
    /// One score then says class and quality together, and the ranking of the boxes needs no separate centerness. Other than
    /// the focal loss it is 0 at every label, not just at 0 and 1. It has no α: the quality itself is the weight.
    ///
    /// # Gradient
    ///
    /// By the product rule, nothing detached; 0 at p = y. For β = 1 there is a kink at p = y, where the slope is 0; for
    /// β < 1 it is a cusp.
    ///
    /// # Conventions
    ///
    /// β = 2. Same as MMDetection and PaddleDetection, which sum over the classes and divide by the number of positives.
    ///
    /// # References
    ///
    /// Li, Wang, Wu, Chen, Hu, Li, Tang, Yang, *Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for
    /// Dense Object Detection*, NeurIPS 2020. <https://arxiv.org/abs/2006.04388>
    "quality_focal", "Quality focal" => pub struct QualityFocal: Formula {
        /// How strongly easy examples are turned away from. 0 is the cross entropy.
        beta: f64 = 2.0 in 0.0..=10.0,
    }
}

impl Loss for QualityFocal {
    type Pred = Logit;
    type Target = Label;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("background, undecided: ln 2 / 4", &[0.0], &[0.0], 0.173_286_795_139_986_33),
        case("quality 0.5, met", &[0.0], &[0.5], 0.0),
        case("quality 1, undecided: ln 2 / 4", &[0.0], &[1.0], 0.173_286_795_139_986_33),
        case("wrong", &[2.0], &[0.0], 1.650_078_179_421_409),
        case("background, linear: ln 2 / 2", &[0.0], &[0.0], 0.346_573_590_279_972_64)
            .with(&[("beta", 1.0)]),
    ];

    #[inline(always)]
    fn eval<S: Scalar>(&self, logit: S, label: S) -> S {
        abs_error(logit, label).pow(self.beta) * cross_entropy(logit, label)
    }
}
