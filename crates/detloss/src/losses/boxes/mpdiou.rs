use crate::prelude::*;

loss! {
    /// MPDIoU loss: the IoU loss, plus the distances between the corners in units of the image's diagonal.
    ///
    /// ```text
    /// L = 1 − IoU + (d₁² + d₂²) / (width² + height²)
    /// ```
    ///
    /// where IoU is that of prediction and target, d₁ is the distance between their top left corners, d₂ that between their
    /// bottom right corners, and width and height are those of the image.
    ///
    /// One penalty for place, size and shape. Against an image's diagonal a box's errors are small: for neighbours in an
    /// image of 640 × 480 the slopes of the penalty are around 1e-5, so that boxes without overlap hardly move. It is nearly
    /// the IoU loss.
    ///
    /// # Gradient
    ///
    /// That of the IoU loss, plus twice the difference of each edge over the square of the diagonal, which is smooth
    /// everywhere. Nothing is detached. Empty and inverted predictions keep the penalty. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// The size of the image is that of all rows, 640 × 640 by default, in the unit of the boxes. Where images differ,
    /// divide the corners of prediction and target by the diagonal of their image, √(width² + height²), and set `width` =
    /// 0.6 and `height` = 0.8, or any with squares that add up to 1: the value is the same, and so is the gradient by the
    /// corners before the division. Inside the image values are at most 3. Ports divide by other things: by a diagonal in
    /// pixels with boxes in cells of the feature map, which is off by the square of the stride, by width · height, or by one
    /// size where images have many. The feature map's diagonal is right for boxes in its cells.
    ///
    /// # References
    ///
    /// Ma, Xu, *MPDIoU: A Loss for Efficient and Accurate Bounding Box Regression*, 2023. <https://arxiv.org/abs/2307.07662>
    "mpdiou", "MPDIoU" => pub struct Mpdiou: Formula {
        /// The width of the image, in the unit of the boxes.
        width: f64 = 640.0 in 0.001..=1e6,
        /// The height of the image.
        height: f64 = 640.0 in 0.001..=1e6,
    }
}

impl BoxLoss for Mpdiou {
    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("same box", &[0., 0., 1., 1.], &[0., 0., 1., 1.], 0.0),
        // 3/4 of union are missing, and every edge is off by 64: 2 · 0.01 in all.
        case("half the size", &[64., 64., 192., 192.], &[0., 0., 256., 256.], 0.77),
        case("opposite corners", &[0., 0., 0., 0.], &[640., 640., 640., 640.], 3.0),
        case("in units of the diagonal", &[0., 0., 0.5, 0.5], &[0.5, 0., 1., 0.5], 1.5)
            .with(&[("width", 0.6), ("height", 0.8)]),
    ];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        let diagonal = self.width * self.width + self.height * self.height;
        let penalty = pred.corner_distance_squared(target) * lit(1.0 / diagonal);
        lit(1.0) - terms.iou(pred, target, 0.0) + terms.penalty(penalty)
    }
}
