//! What a call says besides its two tensors and its loss.

use candle_core::Tensor;

/// How to weigh the losses of a batch and add them up. The default is their plain mean.
///
/// Weights are of the dtype of the prediction, groups are integers; all are on the device of the prediction, and constants: no
/// gradient flows into them.
///
/// ```
/// use detloss_candle::{Options, Reduction};
///
/// let options = Options { reduction: Reduction::Normalizer(12.0), ..Options::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What becomes of the losses.
    pub reduction: Reduction,
    /// A weight per row or per value, as its shape says. Losses of whole batches take 0 and 1: what has weight 0 is left out.
    pub weights: Option<Tensor>,
    /// A weight per column, of shape `[columns]`: class weights of scores and logits, coordinate weights of values. Not for masks
    /// and losses of whole batches.
    pub column_weights: Option<Tensor>,
    /// Rows of this class count with weight 0, whatever they hold. For targets that are class indices.
    pub ignore_index: Option<i64>,
    /// The image of every row, for losses of whole batches: there is then one value per image, in ascending order of these numbers.
    pub groups: Option<Tensor>,
    /// Where the loss is computed.
    pub backend: Backend,
}

/// What becomes of the losses ℓᵢ with their weights wᵢ (1 if none are given).
///
/// An empty batch is worth 0, and so is one without weight. For a divisor that is on a device, [`Sum`](Reduction::Sum) and divide.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Reduction {
    /// Σ wᵢ ℓᵢ / n, a scalar.
    #[default]
    Mean,
    /// Σ wᵢ ℓᵢ, a scalar.
    Sum,
    /// Σ wᵢ ℓᵢ / Σ wᵢ, a scalar.
    WeightedMean,
    /// Σ wᵢ ℓᵢ / k for a positive k, such as the number of positives: a scalar.
    Normalizer(f64),
    /// wᵢ ℓᵢ, one by one: a value per box, score or row; per group for losses of whole batches.
    None,
}

/// Where a loss is computed. All backends give the same numbers, up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// [`Fused`](Backend::Fused) for tensors in the memory of the host and for losses that tensor operations do not suffice for,
    /// [`Decomposed`](Backend::Decomposed) for the others.
    #[default]
    Auto,
    /// By the compiled kernels of detloss: one pass for value and gradient, without a copy of what lies in order in the memory of
    /// the host. Tensors of other devices are copied there and the gradient back.
    Fused,
    /// By tensor operations, where the tensors are: the loss and its gradient, operation by operation. Nothing waits for the device.
    Decomposed,
}
