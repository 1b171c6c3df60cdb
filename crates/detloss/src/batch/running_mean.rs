//! How the running mean that a loss of units has as its state is brought up to date.

use super::dispatch::Element;
use super::kernel::RunningMean;
use super::{Batch, Normalizer, Weights};
use crate::error::Result;

impl RunningMean {
    /// Brings `mean` up to date with the units of a batch. A weight of 0 leaves a unit out; the others count alike, whatever their
    /// weights. A batch of which nothing counts leaves the mean as it is, and so does one with a NaN.
    pub(super) fn update<T: Element>(self, batch: &Batch<'_, T>, mean: &mut f64) -> Result<()> {
        let counts = |weights: &[T]| -> Vec<T> {
            let counts = weights.iter().map(|weight| weight.to_f64() != 0.0);
            counts.map(|counts| T::from_f64(f64::from(u8::from(counts)))).collect()
        };
        let (of_weights, of_columns);
        let weights = match batch.weights {
            None => None,
            Some(Weights::Rows(weights)) => {
                of_weights = counts(weights);
                Some(Weights::Rows(&of_weights[..]))
            }
            Some(Weights::Elements(weights)) => {
                of_weights = counts(weights);
                Some(Weights::Elements(&of_weights[..]))
            }
        };
        let column_weights = match batch.column_weights {
            None => None,
            Some(weights) => {
                of_columns = counts(weights);
                Some(&of_columns[..])
            }
        };
        let normalizer = Normalizer::WeightSum;
        let batch = Batch { weights, column_weights, normalizer, ..*batch };
        let now = batch.value(self.of)?;
        if now.is_finite() && batch.divisor(self.of)? > 0.0 {
            *mean += self.momentum * (now - *mean);
        }
        Ok(())
    }
}
