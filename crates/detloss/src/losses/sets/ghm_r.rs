use crate::prelude::*;

loss! {
    /// GHM-R: smooth L1 that gives every size of gradient the same say, not every value.
    ///
    /// ```text
    /// L = (1/N) Σᵢ wᵢ (√(dᵢ² + μ²) − μ),    wᵢ = N / (S(gᵢ) M),    gᵢ = |dᵢ| / √(dᵢ² + μ²)
    /// ```
    ///
    /// where d = x − y are the errors of N predictions x of the targets y, μ is the parameter mu, g the norms of the gradients
    /// of the authentic smooth L1 √(d² + μ²) − μ, S(g) the number of values in the bin of g, and M the number of bins.
    ///
    /// [`ghm_c`](super::GhmC) for regression. All errors beyond some μ have a gradient of about 1, so that they share the
    /// weight of the last bin: outliers have no more say than the well-regressed.
    ///
    /// # Gradient
    ///
    /// (wᵢ/N) dᵢ / √(dᵢ² + μ²). The counts are constant but where a value goes from one bin to another: there the loss has a
    /// step, which the gradient does not see. With μ = 0 it is 0 at d = 0.
    ///
    /// # Conventions
    ///
    /// Bins, momentum, nonempty and what is remembered: as in GHM-C. MMDetection divides by the sum of the label weights, here
    /// by the number of values that count, which is the same. Its detector has momentum 0.7 and the loss weight 10.
    ///
    /// # References
    ///
    /// Li, Liu, Wang, *Gradient Harmonized Single-Stage Detector*, AAAI 2019, eqs. 11–14. <https://arxiv.org/abs/1811.05181>
    "ghm_r", "GHM-R" => pub struct GhmR: Set {
        /// The error below which the loss is quadratic rather than linear.
        mu: f64 = 0.02 in 0.0..=1.0,
        /// How many bins g = 0..=1 is cut into; rounded to a whole number.
        bins: u32 = 10 in 1..=1000,
        /// How much of the density of a bin comes from the batches before.
        momentum: f64 = 0.0 in 0.0..=0.99,
        /// Whether the loss is shared by the bins that have values, instead of by all.
        nonempty: bool = false,
    }
}

impl GhmR {
    fn density(self) -> Density {
        Density { bins: self.bins, momentum: self.momentum, nonempty: self.nonempty }
    }

    #[inline(always)]
    fn term<S: Scalar>(self, pred: S, target: S) -> GhmTerm<S> {
        let error = pred.clamp_finite() - target.clamp_finite();
        let length = (error.square() + lit(self.mu * self.mu)).sqrt();
        let slope = error.safe_div(length);
        // √(d² + μ²) − μ would lose a small d.
        let value = error.square().safe_div(length + lit(self.mu));
        GhmTerm { norm: slope.abs(), value, slope }
    }
}

impl SetLoss for GhmR {
    const PRED: Kind = Kind::Number;
    const TARGET: Kind = Kind::Number;
    const STATE: State = State::Fixed;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("in the last bin: (√1.0004 − 0.02) / 10", &[1.], &[0.], 0.098_019_998_000_399_9),
        case("two outliers count as one", &[5., -5.], &[0., 0.], 0.498_003_999_984_000_13),
        case("two bins of ten: (0.25 + 0) / 10", &[1.75, 3.], &[1., 3.], 0.025)
            .with(&[("mu", 1.0)]),
        case("μ = 0: L1, in one bin", &[1., 2.], &[0., 5.], 2.0)
            .with(&[("mu", 0.0), ("bins", 1.0)]),
        case("perfect", &[1., 2.], &[1., 2.], 0.0),
    ];

    fn initial_state(&self, _: usize) -> Vec<f64> {
        self.density().state()
    }

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        self.density().harmonize(
            token,
            set,
            #[inline(always)]
            |pred, target| self.term(pred, target),
        )
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        self.density().trace(set, self.term(set.pred, set.target))
    }
}
