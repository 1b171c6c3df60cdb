//! The running mean that a loss of units has as its state.

use std::fmt;

use super::dispatch::Element;
use super::interpreter::Interpreted;
use super::kernel::Kernel;
use super::{Batch, Normalizer, Weights};
use crate::error::Result;
use crate::loss::JaccardDistance;

/// A mean over the batches of a training run, the last ones counting most: m ← (1 − momentum) m + momentum · mean of the batch.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RunningMean {
    /// What is measured of every unit.
    pub of: &'static dyn Kernel,
    /// How much of the mean comes from the last batch.
    pub momentum: f64,
}

impl RunningMean {
    /// What a training run begins with.
    pub const FIRST: f64 = 1.0;

    /// That of 1 − IoU.
    pub(super) fn of_distances(momentum: f64) -> Self {
        static OF: Interpreted<JaccardDistance> = Interpreted(JaccardDistance {});
        Self { of: &OF, momentum }
    }

    /// The state of a loss with this running mean, or without one.
    pub(super) fn initial_state(running_mean: Option<Self>) -> Vec<f64> {
        running_mean.map(|_| Self::FIRST).into_iter().collect()
    }

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

impl fmt::Debug for RunningMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningMean")
            .field("of", &self.of.signature().loss)
            .field("momentum", &self.momentum)
            .finish()
    }
}
