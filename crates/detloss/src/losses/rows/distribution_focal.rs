use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// Distribution focal loss: a coordinate as a distribution over places, peaked around the true one.
    ///
    /// ```text
    /// L = −(i + 1 − y) ln qᵢ − (y − i) ln qᵢ₊₁,    i ≤ y ≤ i + 1,    qₖ = e^zₖ / Σⱼ e^zⱼ
    /// ```
    ///
    /// where z are the K logits of the places 0, 1, …, K − 1, and y is the target.
    ///
    /// A softmax cross entropy with two neighbouring classes, weighted so that their mean is y. The distribution becomes narrow
    /// where an edge is clear and stays broad where it is not. Between two places the least loss is the entropy of the two
    /// weights, not 0.
    ///
    /// # Gradient
    ///
    /// qₖ, less i + 1 − y at i and less y − i at i + 1. Smooth everywhere. A logit of −∞ excludes a place that has no weight.
    ///
    /// # Conventions
    ///
    /// One row is one edge; the detectors take the mean of the four of a box. The target is held within 0..=K − 1, and the last
    /// place itself may be asked for. MMDetection (17 places) asks for at most K − 1.1 and Ultralytics (16) for at most
    /// K − 1.01, because their code looks one place further: clamp the target for their numbers. MMDetection weighs the loss
    /// by 0.25, Ultralytics by 1.5. D-FINE's FGL is this at uneven [places](crate::refinement::Offsets), weighted by the IoU.
    ///
    /// # References
    ///
    /// Li, Wang, Wu, Chen, Hu, Li, Tang, Yang, *Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for
    /// Dense Object Detection*, NeurIPS 2020, eq. 6. <https://arxiv.org/abs/2006.04388>
    "distribution_focal", "Distribution focal" => pub struct DistributionFocal: Row {}
}

impl RowLoss for DistributionFocal {
    const TARGET: Kind = Kind::Position;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().shift_invariant();

    const CASES: &'static [Case] = &[
        case("undecided: ln 4", &[1., 1., 1., 1.], &[1.3], 2.0 * LN_2),
        case("halfway: the entropy ln 2", &[-1e4, 0., 0., -1e4], &[1.5], LN_2),
        case("the last place", &[0., 2.], &[1.0], 0.126_928_011_042_972_5),
        case("beyond the last place", &[0., 2.], &[7.0], 0.126_928_011_042_972_5),
        case("a quarter of the way", &[0., 2.], &[0.25], 1.626_928_011_042_972_5),
    ];

    #[inline(always)]
    fn row<V: Vector>(&self, token: V::Token, mut row: RowOf<'_, V>) -> f64 {
        let softmax = Softmax::<V>::new(token, row.logits, row.grad.as_deref_mut());
        let last = row.logits.len() - 1;
        let place = row.target.fields()[0].to_f64().clamp(0.0, last as f64);
        // The last place is the right neighbour of the one before.
        let left = (place as usize).min(last.saturating_sub(1));
        let share = place - left as f64;
        let neighbours = [(left, 1.0 - share), (left + 1, share)];
        if let Some(grad) = row.grad {
            let scale = row.scale.to_f64();
            slice::multiply::<V>(token, grad, scale / softmax.sum());
            for (place, share) in neighbours.into_iter().filter(|&(place, _)| place <= last) {
                // From the side that loses no digits: from 0 for a small share, from 1 for a large one.
                let slope = if share < 0.5 {
                    (-softmax.surprise(row.logits[place])).exp() - share
                } else {
                    (1.0 - share) - softmax.complement(row.logits[place])
                };
                grad[place] = V::Element::from_f64(scale * slope);
            }
        }
        // A place without a share adds 0, not 0 · ∞.
        let asked = neighbours.into_iter().filter(|&(_, share)| share != 0.0);
        asked.map(|(place, share)| share * softmax.surprise(row.logits[place])).sum()
    }

    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        let place = row.target.clamp(0.0, (row.columns - 1) as f64);
        // Of a place, what is left of 1 when one goes there.
        let target = (lit(1.0) - (row.column - place).abs()).relu();
        Some(trace_over_classes(TracedRow { target, ..row }, &CrossEntropy))
    }
}
