use crate::prelude::*;

loss! {
    /// Lovász hinge: the Jaccard loss of a binary mask, made convex, with a margin.
    ///
    /// ```text
    /// L = Σₖ max(m₍ₖ₎, 0) (Jₖ − Jₖ₋₁),    mᵢ = 1 − (2gᵢ − 1) xᵢ,    m₍₁₎ ≥ m₍₂₎ ≥ …
    /// ```
    ///
    /// where x are the logits of the pixels of one mask, g their labels, and Jₖ is the Jaccard loss of a mask in which the k pixels
    /// with the largest errors m are wrong and all others right; J₀ = 0.
    ///
    /// It is the Jaccard loss itself at errors of 0 and 1, and the tightest convex function through them. Pixels right by a
    /// margin of 1 cost nothing. Needs a sort, so O(n log n) time and 16 bytes per pixel. Fine-tune with it: from scratch a
    /// cross entropy is better at first.
    ///
    /// # Gradient
    ///
    /// −(2gᵢ − 1) (Jₖ − Jₖ₋₁) for the pixel with rank k where m > 0, else 0. Linear between the kinks, which are where two errors
    /// are equal or one is 0: there the slope is the mean of both sides.
    ///
    /// # Conventions
    ///
    /// The authors' code gives tied pixels the slopes of some order of them. A mask without objects is worth its largest error,
    /// as there. A soft label g counts as g pixels of the object and 1 − g of the background. A pixel with label −1 is
    /// left out. One row is one image (`per_image=True`); a batch in one row is the other setting.
    ///
    /// # References
    ///
    /// Berman, Rannen Triki, Blaschko, *The Lovász-Softmax Loss: A Tractable Surrogate for the Optimization of the
    /// Intersection-Over-Union Measure in Neural Networks*, CVPR 2018, eq. 7. <https://arxiv.org/abs/1705.08790>
    "lovasz_hinge", "Lovász hinge" => pub struct LovaszHinge: Row {}
}

impl RowLoss for LovaszHinge {
    const TARGET: Kind = Kind::Mask;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("undecided: every error is 1", &[0., 0., 0.], &[1., 1., 0.], 1.0),
        case("right by the margin", &[1., -1.], &[1., 0.], 0.0),
        case("3/2 · ½ + ½ · ½", &[0.5, -0.5, -9.], &[1., 1., 0.], 1.0),
        case("nothing there: the largest error", &[2., 1., -3.], &[0., 0., 0.], 3.0),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, _: V::Token, row: RowOf<'_, V>) -> f64 {
        hinge(row.logits, row.target.fields(), row.scale.to_f64(), row.grad)
    }
}

/// In `f64` for every type: exact errors, so that only equal logits tie.
fn hinge<T: Element>(logits: &[T], labels: &[T], scale: f64, mut grad: Option<&mut [T]>) -> f64 {
    let sign = |pixel: usize| 2.0 * labels[pixel].to_f64() - 1.0;
    let is_void = |pixel: usize| labels[pixel].to_f64() < 0.0;
    let known = (0..logits.len()).filter(|&pixel| !is_void(pixel));
    let (mut errors, mut objects) = (Vec::with_capacity(logits.len()), 0.0);
    for pixel in known {
        objects += labels[pixel].to_f64();
        let error = 1.0 - sign(pixel) * logits[pixel].to_f64();
        // What is right by the margin comes last and costs nothing: no need to sort it. A NaN stays.
        if error.is_nan() || error >= 0.0 {
            errors.push((error, pixel));
        }
    }
    if let Some(grad) = &mut grad {
        grad.fill(T::default());
    }
    lovasz(
        &mut errors,
        objects,
        |pixel| labels[pixel].to_f64(),
        |pixel, slope| {
            if let Some(grad) = &mut grad {
                grad[pixel] = T::from_f64(-sign(pixel) * slope * scale);
            }
        },
    )
}
