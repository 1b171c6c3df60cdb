use crate::prelude::*;

loss! {
    /// 3D GIoU loss: the 3D IoU loss, plus the part of the smallest box around both that is empty.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + (|C| − |A∪B|) / |C|
    /// ```
    ///
    /// where A is the prediction, B the target, C the smallest axis-aligned box that holds both, and |·| a volume.
    ///
    /// Disjoint boxes attract each other, which they do not under the 3D IoU loss. As in the plane it first blows the
    /// prediction up until it touches the target; the DIoU loss moves it.
    ///
    /// # Gradient
    ///
    /// That of the 3D IoU loss, and that of C, which an empty prediction has alone. Where two faces meet, the slope is the mean of
    /// both sides; identical boxes have slope 0. Nothing is detached.
    ///
    /// # Conventions
    ///
    /// That of MMDetection3D and MONAI, which floor the denominators or add an epsilon. Limits are those of the
    /// [3D IoU loss](super::Iou3d); a hull thinner than 7.3e-12 has no volume, and the term is 0.
    ///
    /// # References
    ///
    /// Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, *Generalized Intersection over Union*, CVPR 2019, algorithm 1.
    /// <https://arxiv.org/abs/1902.09630>
    "giou3d", "GIoU 3D" => pub struct Giou3d: Formula {}
}

impl Loss for Giou3d {
    type Pred = Corners3d;
    type Target = Corners3d;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().symmetric().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 0., 1., 2., 3.], &[0., 0., 0., 1., 2., 3.], 0.0),
        case("an eighth inside", &[0., 0., 0., 1., 1., 1.], &[0., 0., 0., 2., 2., 2.], 0.875),
        case("share a face", &[0., 0., 0., 1., 1., 1.], &[0., 0., 1., 1., 1., 2.], 1.0),
        case("share an edge", &[0., 0., 0., 1., 1., 1.], &[0., 1., 1., 1., 2., 2.], 1.5),
        case("a point aside", &[2., 0., 0., 2., 0., 0.], &[0., 0., 0., 1., 1., 1.], 1.5),
        case("share a corner", &[0., 0., 0., 1., 1., 1.], &[1., 1., 1., 2., 2., 2.], 1.75),
    ];

    fn eval<S: Scalar>(&self, pred: Xyzxyz<S>, target: Xyzxyz<S>) -> S {
        let (overlap, union) = pred.overlap_and_union(target);
        let hull = pred.hull_volume(target);
        lit(1.0) - overlap.safe_div(union) + (hull - union).safe_div(hull)
    }
}
