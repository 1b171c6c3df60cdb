use crate::prelude::*;

loss! {
    /// Lovász-Softmax: the mean Jaccard loss of the classes of an image, made continuous.
    ///
    /// ```text
    /// L = mean over classes c of Σₖ m₍ₖ₎ (Jₖ − Jₖ₋₁),    mᵢ = |1[gᵢ = c] − qᵢc|,    m₍₁₎ ≥ m₍₂₎ ≥ …
    /// ```
    ///
    /// where qᵢ is the softmax of the logits of pixel i, g are the classes, the mean is over those that are there, and Jₖ is the
    /// Jaccard loss of class c if the k pixels with the largest errors m are wrong and all others right; J₀ = 0.
    ///
    /// It is one less the mean IoU itself where the scores are decisions. Every class counts alike, however few its pixels.
    /// Needs a sort for every class. Fine-tune with it, or add it to a cross entropy.
    ///
    /// # Gradient
    ///
    /// By the errors Jₖ − Jₖ₋₁ for the pixel with rank k, and from there through the softmax. Kinks where two errors of a class
    /// are equal: there the slope is the mean of both sides.
    ///
    /// # Conventions
    ///
    /// Classes that are nowhere do not count (`classes='present'`, the authors' default). A row is a pixel; give the images as
    /// `groups` for `per_image=True`. A pixel with the ignored class, or a negative one, is left out. The authors' code gives
    /// tied pixels the slopes of some order of them.
    ///
    /// # References
    ///
    /// Berman, Rannen Triki, Blaschko, *The Lovász-Softmax Loss: A Tractable Surrogate for the Optimization of the
    /// Intersection-Over-Union Measure in Neural Networks*, CVPR 2018, eq. 11. <https://arxiv.org/abs/1705.08790>
    "lovasz_softmax", "Lovász-Softmax" => pub struct LovaszSoftmax: Set {}
}

impl SetLoss for LovaszSoftmax {
    const PRED: Kind = Kind::Logits;
    const TARGET: Kind = Kind::Class;

    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided", &[0., 0., 0., 0.], &[0., 1.], 0.5),
        case(
            "decided, one of four wrong: mean of ½ and ⅓",
            &[99., 0., 0., 99., 99., 0., 0., 99.],
            &[0., 0., 1., 1.],
            2.0 / 3.0,
        ),
        case("right", &[1e4, 0., 0., 1e4], &[0., 1.], 0.0),
    ];

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        let (columns, mut grad) = (set.columns, set.grad);
        let mut scores = vec![V::Element::default(); set.pred.len()];
        let mut wrong = Vec::with_capacity(set.target.len());
        let mut pixels_of = vec![0.0; columns];
        let rows = set.pred.chunks_exact(columns).zip(scores.chunks_exact_mut(columns));
        for ((logits, scores), class) in rows.zip(set.target) {
            let softmax = Softmax::<V>::new(token, logits, Some(&mut *scores));
            slice::multiply::<V>(token, scores, 1.0 / softmax.sum());
            let class = class.to_f64() as usize;
            wrong.push(softmax.complement(logits[class]));
            pixels_of[class] += 1.0;
        }
        let present = pixels_of.iter().filter(|&&pixels| pixels > 0.0).count() as f64;
        if let Some(grad) = &mut grad {
            grad.fill(V::Element::default());
        }
        let (mut errors, mut sum) = (Vec::with_capacity(wrong.len()), 0.0);
        for class in (0..columns).filter(|&class| pixels_of[class] > 0.0) {
            let is_there = |pixel: usize| set.target[pixel].to_f64() == class as f64;
            let score = |pixel: usize| scores[pixel * columns + class].to_f64();
            errors.clear();
            errors.extend(
                (0..wrong.len()).map(|pixel| {
                    (if is_there(pixel) { wrong[pixel] } else { score(pixel) }, pixel)
                }),
            );
            sum += lovasz(
                &mut errors,
                pixels_of[class],
                |pixel| f64::from(u8::from(is_there(pixel))),
                |pixel, slope| {
                    if let Some(grad) = &mut grad {
                        let by_score = if is_there(pixel) { -slope } else { slope };
                        let slope = by_score * set.scale / present;
                        grad[pixel * columns + class] = V::Element::from_f64(slope);
                    }
                },
            );
        }
        if let Some(grad) = grad {
            for (slopes, scores) in grad.chunks_exact_mut(columns).zip(scores.chunks_exact(columns))
            {
                through_softmax::<V>(token, slopes, scores);
            }
        }
        sum / present
    }
}
