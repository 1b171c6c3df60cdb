use std::f64::consts::LN_2;

use crate::prelude::*;

loss! {
    /// GHM-C: cross entropy that gives every size of gradient the same say, not every element.
    ///
    /// ```text
    /// L = (1/N) Σᵢ wᵢ CE(xᵢ, yᵢ),    wᵢ = N / (S(gᵢ) M),    gᵢ = |σ(xᵢ) − yᵢ|
    /// ```
    ///
    /// where x are N logits, y their labels, g the norms of the gradients of the cross entropy CE, S(g) the number of elements in
    /// the bin of g, and M the number of bins.
    ///
    /// The gradient harmonizing mechanism. Most anchors are easy negatives, and some objects are mislabelled: both are many of
    /// a kind, g near 0 and g near 1, and share a weight with their kind. It needs sets large enough to fill the bins.
    ///
    /// # Gradient
    ///
    /// (wᵢ/N) (σ(xᵢ) − yᵢ). The counts are constant but where an element goes from one bin to another: there the value has a
    /// step, which the gradient does not see.
    ///
    /// # Conventions
    ///
    /// A label above 0 is positive. M is the number of all bins, as in the paper; with nonempty it is that of the bins with
    /// elements in this set, as in MMDetection, which makes the loss larger. What is remembered is one S per bin: a step
    /// takes momentum · S + (1 − momentum) · count for S in every bin with elements, and leaves the others as they are. S begins
    /// at 0 as in MMDetection, so the weights of the first steps are up to 1 / (1 − momentum) times too large. Outside of a
    /// training run S is the plain count. An edge between bins belongs to the upper one. MMDetection's RetinaNet has 30 bins
    /// and momentum 0.75.
    ///
    /// # References
    ///
    /// Li, Liu, Wang, *Gradient Harmonized Single-Stage Detector*, AAAI 2019, eqs. 8–10. <https://arxiv.org/abs/1811.05181>
    "ghm_c", "GHM-C" => pub struct GhmC: Set {
        /// How many bins g = 0..=1 is cut into; rounded to a whole number.
        bins: u32 = 10 in 1..=1000,
        /// How much of the density of a bin comes from the batches before.
        momentum: f64 = 0.0 in 0.0..=0.99,
        /// Whether the loss is shared by the bins that have elements, instead of by all.
        nonempty: bool = false,
    }
}

impl GhmC {
    fn density(self) -> Density {
        Density { bins: self.bins, momentum: self.momentum, nonempty: self.nonempty }
    }
}

impl SetLoss for GhmC {
    const PRED: Kind = Kind::Logit;
    const TARGET: Kind = Kind::Label;
    const STATE: State = State::Fixed;

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target();

    const CASES: &'static [Case] = &[
        case("one bin of ten: ln 2 / 10", &[0., 0.], &[0., 1.], 0.1 * LN_2),
        case("the only bin: ln 2", &[0., 0.], &[0., 1.], LN_2).with(&[("nonempty", 1.0)]),
        case(
            "three easy ones have the say of one",
            &[-2., -2., -2., 3.],
            &[0.; 4],
            0.317_551_536_261_671_5,
        ),
        case("one bin: the mean cross entropy", &[100., 0.], &[0., 0.], 50.346_573_590_279_974)
            .with(&[("bins", 1.0)]),
        case("certain and right", &[1e4, -1e4], &[1., 0.], 0.0),
    ];

    fn initial_state(&self, _: usize) -> Vec<f64> {
        self.density().state()
    }

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        self.density().harmonize(token, set, term)
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        self.density().trace(set, term(set.pred, set.target))
    }
}

#[inline(always)]
fn term<S: Scalar>(logit: S, label: S) -> GhmTerm<S> {
    let wrong = negate_if_positive(label, logit);
    let norm = wrong.sigmoid();
    GhmTerm { norm, value: wrong.softplus(), slope: negate_if_positive(label, norm) }
}
