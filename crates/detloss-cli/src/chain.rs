//! The chain rule, for inputs that are given in other terms than a loss takes them.

use detloss::scalar::Dual;
use detloss::scalar::dual::Gradient;

/// The slopes by `K` inputs of something whose slopes by `fields` are `slopes`.
pub(crate) fn by_inputs<const K: usize>(fields: &[Dual<f64, K>], slopes: &[f64]) -> [f64; K] {
    std::array::from_fn(|input| {
        let through = |(field, slope): (&Dual<f64, K>, &f64)| field.partial(input) * slope;
        fields.iter().zip(slopes).map(through).sum()
    })
}
