use crate::prelude::*;

loss! {
    /// Root mean squared error: the typical error, in the unit of the values.
    ///
    /// ```text
    /// L = √( Σᵢ (xᵢ − yᵢ)² / n )
    /// ```
    ///
    /// where x are the n predictions and y the targets.
    ///
    /// The square root of the mean of [`l2`](super::super::values::L2). It is measured like the values themselves, and its
    /// gradient has the same length for any batch that is not perfect: 1/√n. Use it to report an error; as a loss it takes its
    /// last steps as boldly as the first.
    ///
    /// # Gradient
    ///
    /// (xᵢ − yᵢ) / (n L), and 0 where L is 0.
    ///
    /// # Conventions
    ///
    /// The root of the mean over the whole batch, not the mean of the roots over rows. Add nothing below the root: an ε there
    /// makes the gradient finite at 0, which it is here anyway.
    ///
    /// # References
    ///
    /// Gauss, *Theoria combinationis observationum erroribus minimis obnoxiae*, 1823.
    "rmse", "RMSE" => pub struct Rmse: Set {}
}

impl SetLoss for Rmse {
    const PRED: Kind = Kind::Number;
    const TARGET: Kind = Kind::Number;

    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();

    const CASES: &'static [Case] = &[
        case("two errors: √((9 + 16) / 2)", &[3., 0.], &[0., 4.], 3.535_533_905_932_737_7),
        case("one error: its size", &[2.5], &[1.0], 1.5),
        case("perfect", &[1., 2.], &[1., 2.], 0.0),
    ];

    #[inline(always)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64 {
        let count = set.pred.len();
        let error = |start: usize| {
            let at = |numbers| slice::load::<V>(token, numbers, start, 0.0);
            error(at(set.pred), at(set.target))
        };
        let squares = slice::sum(token, count, |start| error(start).square());
        let root = root(squares, count as f64);
        if let Some(grad) = set.grad {
            let slope = set.scale.safe_div(count as f64 * root);
            for start in (0..count).step_by(V::LEN) {
                slice::store(error(start) * lit(slope), grad, start);
            }
        }
        root
    }

    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let error = error(set.pred, set.target);
        let value = root(set.sum(error.square()), set.count);
        Some(TracedLoss { value, slope: error.safe_div(set.count * value) })
    }
}

#[inline(always)]
fn error<S: Scalar>(pred: S, target: S) -> S {
    pred.clamp_finite() - target.clamp_finite()
}

fn root<S: Scalar>(squares: S, count: S) -> S {
    squares.safe_div(count).sqrt()
}
