use crate::prelude::*;

loss! {
    /// 3D DIoU loss: the 3D IoU loss, plus the distance between the centres.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + ρ² / c²
    /// ```
    ///
    /// where A is the prediction, B the target, ρ the distance between their centres and c the diagonal in space of the smallest
    /// axis-aligned box that holds both.
    ///
    /// Disjoint boxes move straight towards each other, and where one box holds the other the centres still meet. TR3D
    /// trains with it.
    ///
    /// # Gradient
    ///
    /// That of the 3D IoU loss, and that of ρ² / c², which disjoint boxes and an empty prediction have alone. Where two faces
    /// meet, the slope is the mean of both sides; identical boxes have slope 0. Nothing is detached. An inverted prediction whose
    /// centre lies farther from the target's than c costs 2, with slope 0.
    ///
    /// # Conventions
    ///
    /// The paper's definition with one more direction, without an epsilon. Limits are those of the [3D IoU loss](super::Iou3d).
    ///
    /// # References
    ///
    /// Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI
    /// 2020, eq. 7. <https://arxiv.org/abs/1911.08287>
    "diou3d", "DIoU 3D" => pub struct Diou3d: Formula {}
}

impl Loss for Diou3d {
    type Pred = Corners3d;
    type Target = Corners3d;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 0., 1., 2., 3.], &[0., 0., 0., 1., 2., 3.], 0.0),
        // The centres are a quarter of the diagonal apart.
        case("an eighth inside", &[0., 0., 0., 1., 1., 1.], &[0., 0., 0., 2., 2., 2.], 0.9375),
        case("share a face", &[0., 0., 0., 1., 1., 1.], &[0., 0., 1., 1., 1., 2.], 7.0 / 6.0),
        case("share a corner", &[0., 0., 0., 1., 1., 1.], &[1., 1., 1., 2., 2., 2.], 1.25),
        case("two points", &[0., 0., 0., 0., 0., 0.], &[1., 2., 2., 1., 2., 2.], 2.0),
    ];

    fn eval<S: Scalar>(&self, pred: Xyzxyz<S>, target: Xyzxyz<S>) -> S {
        lit(1.0) - pred.iou(target) + pred.center_distance_ratio(target)
    }
}
