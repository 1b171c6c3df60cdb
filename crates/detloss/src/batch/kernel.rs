//! What a batch needs of a loss.

use std::fmt;
use std::sync::Arc;

use super::level::Level;
use super::tile::Tile;
use crate::error::Result;
use crate::loss::modifiers::Modifiers;
use crate::scalar::expr::Program;
use crate::signature::Signature;

/// What a batch needs of a loss. Every loss has it; nobody implements it by hand.
pub trait Kernel: Send + Sync {
    /// How the loss is called.
    fn signature(&self) -> Signature;

    /// The formula as a list of operations, with its gradient if asked for. None for losses that are no formula.
    ///
    /// Replay the gradient rather than differentiating the value: what a formula detaches, and how ties split, is not part of
    /// the list.
    fn trace(&self, gradient: bool) -> Option<Program>;

    /// A row of so many columns as a list of operations on whole columns, with its gradient if asked for: the value, then the slope by
    /// the prediction. None for a loss of units or of whole batches, and for one that needs more than sums and maxima of rows.
    ///
    /// The inputs are the predictions, the targets, the numbers of the columns from 0 on, and the weights of the classes if `is_weighted`. A
    /// class is 1 in its column and 0 in the others. What a row has one of meets every column.
    fn trace_row(&self, columns: usize, is_weighted: bool, gradient: bool) -> Option<Program>;

    /// A whole batch as a list of operations on all its rows and columns at once, with its gradient if asked for: the value, then the slope by
    /// the prediction. None for losses of units and of rows, and for one that sorts.
    ///
    /// The inputs are the predictions, the targets, and 1 for what counts and 0 for what does not. Elements may lie in any rows; where a
    /// prediction is a row, its class is 1 in its column and 0 in the others, and it counts as a whole. Predictions and targets of what does
    /// not count must be finite. There is no state.
    fn trace_set(&self, gradient: bool) -> Option<Program>;

    /// The formula with the running mean that is the state of the loss as one input more, behind the fields of the target. None for a
    /// loss without: what [`trace`](Self::trace) gives has the mean that a run begins with as a constant.
    fn trace_at_mean(&self, gradient: bool) -> Option<Program>;

    /// The running mean that is the state of a loss of units; None for any other loss.
    fn running_mean(&self) -> Option<RunningMean>;

    /// Whether the gradient is the derivative of the value. That of ranking losses is not, nor is one of a loss that detaches a
    /// part of itself.
    fn has_exact_gradient(&self) -> bool;

    /// Whether every parameter lies in its range; its fields are public.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`](crate::Error::BadParam).
    fn check(&self) -> Result<()>;

    /// The state that a training run begins with, for rows of `columns`; see [`SetLoss::initial_state`](crate::loss::SetLoss::initial_state).
    fn initial_state(&self, columns: usize) -> Vec<f64>;

    /// The same loss with these modifiers, instead of those it has.
    ///
    /// # Errors
    ///
    /// [`Error::NotModifiable`](crate::Error::NotModifiable), and [`Error::BadParam`](crate::Error::BadParam) for a loss or a
    /// modifier with a parameter outside its range.
    fn modified(&self, modifiers: &Modifiers) -> Result<Arc<dyn Kernel>>;

    /// What tells its formula from any other.
    #[doc(hidden)]
    fn key(&self) -> Key;

    /// Whether the [interpreter](super::interpreter) runs its formula. All else is compiled.
    #[doc(hidden)]
    fn is_interpreted(&self) -> bool;

    #[doc(hidden)]
    fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64;

    #[doc(hidden)]
    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64;
}

/// What tells one formula from another: the id of the loss, the file it was declared in, the bits of its parameters, and the same of its
/// modifiers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    loss: &'static str,
    file: &'static str,
    params: Vec<u64>,
    modifiers: Vec<(&'static str, Vec<u64>)>,
}

impl Key {
    /// The formula of this loss with these parameters.
    pub(crate) fn new(loss: &'static str, file: &'static str, params: &[f64]) -> Self {
        Self { loss, file, params: bits(params), modifiers: Vec::new() }
    }

    /// The same formula with these modifiers.
    pub(super) fn modified(self, modifiers: &Modifiers) -> Self {
        let given = modifiers.given().map(|(modifier, params)| (modifier.name, bits(&params)));
        Self { modifiers: given.collect(), ..self }
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

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

    /// The state of a loss with this running mean, or without one.
    pub(super) fn initial_state(running_mean: Option<Self>) -> Vec<f64> {
        running_mean.map(|_| Self::FIRST).into_iter().collect()
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
