use crate::prelude::*;

loss! {
    /// Rotated GIoU loss: the rotated IoU loss, plus the part of a rectangle around both that is empty.
    ///
    /// ```text
    /// L = 1 − |A∩B| / |A∪B| + (|C| − |A∪B|) / |C|
    /// ```
    ///
    /// where A is the prediction, B the target and C the smallest rectangle along the sides of B that holds both, or, with
    /// `hull`, their convex hull.
    ///
    /// Disjoint boxes attract each other, which they do not under the rotated IoU loss. A box that
    /// lies inside the target costs what its IoU says; one that is turned out of the target's outline costs more.
    ///
    /// # Gradient
    ///
    /// That of the rotated IoU loss, and that of C: a box that reaches out of the target's shadow is drawn in. An empty
    /// prediction has the latter alone. Where two edges meet, the slope is the mean of both sides; identical boxes have slope
    /// 0. The convex hull has a kink in the angle where sides are parallel, and slopes of identical boxes are 0 up to rounding. Nothing
    /// is detached.
    ///
    /// # Conventions
    ///
    /// Which shape encloses both is a choice. The rectangle along the target turns with the boxes and costs four comparisons.
    /// lilanxiao's Rotated_IoU takes the smallest rectangle at any angle (not smooth), the one along the image (`aligned`: the
    /// loss changes when both boxes turn together) or the one along the principal axes; MMCV's `convex_giou` the convex hull of
    /// point sets, as the paper has it for convex shapes: the smallest shape, and symmetric. Between boxes along the axes of
    /// the image the rectangles are the GIoU loss of horizontal boxes. Without an epsilon.
    ///
    /// # References
    ///
    /// Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, *Generalized Intersection over Union*, CVPR 2019, algorithm 1.
    /// <https://arxiv.org/abs/1902.09630>
    "rotated_giou", "Rotated GIoU" => pub struct RotatedGiou: Formula {
        /// Whether C is the convex hull of both boxes rather than the rectangle along the target: five times the work.
        hull: bool = false,
    }
}

impl Loss for RotatedGiou {
    type Pred = RotatedBox;
    type Target = RotatedBox;

    const FACTS: Facts =
        Facts::range(0.0, 2.0).zero_at_target().scale_invariant().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[3., 1., 2., 1., 0.7], &[3., 1., 2., 1., 0.7], 0.0),
        case("quarter inside", &[0.5, 0.5, 1., 1., 0.], &[0., 0., 2., 2., 0.], 0.75),
        case("share an edge", &[0., 0., 1., 1., 0.], &[1., 0., 1., 1., 0.], 1.0),
        case("around a point", &[0., 0., 1., 1., 0.3], &[0., 0., 0., 0., 0.3], 1.0),
        case("side by side, one apart", &[2., 0., 1., 1., 0.], &[0., 0., 1., 1., 0.], 4.0 / 3.0),
    ];

    fn eval<S: Scalar>(&self, pred: Rotated<S>, target: Rotated<S>) -> S {
        let seen = pred.seen_from(target);
        let (overlap, union) = seen.overlap_and_union();
        let hull = seen.hull_area(self.hull);
        lit(1.0) - overlap.safe_div(union) + (hull - union).safe_div(hull)
    }
}
