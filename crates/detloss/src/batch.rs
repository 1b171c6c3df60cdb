//! Many rows at once: value and gradient in one pass over the memory.
//!
//! # Reductions
//!
//! For units i (boxes, values, scores or rows of logits) with losses ℓᵢ and weights wᵢ (1 if none are given), a batch is worth
//!
//! ```text
//! L = Σ wᵢ ℓᵢ / normalizer
//! ```
//!
//! | reduction | call | formula |
//! |---|---|---|
//! | sum (the L1 and L2 of textbooks) | [`sum`](Batch::sum) | Σ wᵢ ℓᵢ |
//! | mean (MAE, MSE) | [`mean`](Batch::mean), the default | Σ wᵢ ℓᵢ / n |
//! | weighted mean by the number of units | [`mean`](Batch::mean) with weights | Σ wᵢ ℓᵢ / n |
//! | weighted mean by the sum of weights | [`weighted_mean`](Batch::weighted_mean) | Σ wᵢ ℓᵢ / Σ wᵢ |
//! | by anything else, such as the number of positives | [`normalizer`](Batch::normalizer) | Σ wᵢ ℓᵢ / k |
//! | root of the mean (RMSE, with the loss `l2`) | [`root`](Batch::root_and_grad_into) | √(Σ wᵢ ℓᵢ / normalizer), gradient 0 at 0 |
//! | none | [`values`](Batch::values) | wᵢ ℓᵢ, one by one |
//!
//! An empty batch is worth 0, and so is one whose weights are all zero.
//!
//! # Whole batches
//!
//! A loss of whole batches (the families `sets`, and some of `masks`) has one value for all rows together, or, with
//! [`groups`](Batch::groups), one for each group, such as an image: its units are the groups. An element whose weight is 0, whose
//! label is −1 or whose class is the ignored one is left out as if it were not there. A loss with state
//! from one batch to the next takes it as plain numbers: [`step_into`](Batch::step_into). So does a loss of units whose state is a
//! [running mean](RunningMean); without a step it is computed at the mean that a run begins with.
//!
//! # Reproducible sums
//!
//! The batch is cut into chunks by its length alone, each chunk is summed in a fixed order, and the chunks are added in their
//! order in `f64`. So the result has the same bits for any number of threads, and for AVX-512 and AVX2; SSE2 has no fused
//! multiply-add and differs in the last place.

mod dispatch;
mod driver;
mod groups;
mod interpreter;
mod kernel;
mod labels;
mod level;
mod modified;
mod plan;
mod prefetch;
mod running_mean;
mod sets;
mod tile;

pub use dispatch::Element;
pub(crate) use dispatch::{Dispatch, OnVectors};
pub use driver::Driver;
#[doc(hidden)]
pub use interpreter::Interpreted;
#[doc(hidden)]
pub use kernel::Key;
pub use kernel::{Kernel, RunningMean};
pub(crate) use level::Job;
pub use level::Level;
use std::sync::atomic::AtomicBool;

use plan::{Outputs, Plan};
pub(crate) use tile::Tile;

use crate::error::Result;
use crate::parallel::Work;

/// Predictions with their targets, and how to weigh and add up their losses.
///
/// ```
/// use detloss::{Batch, losses::boxes::Giou};
///
/// let pred = [0.0_f32, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
/// let target = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0];
/// let (value, grad) = Batch::new(&pred, &target).value_and_grad(&Giou::default())?;
/// assert_eq!(value, 0.5);
/// assert_eq!(grad[..4], [0.0; 4]);
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    pub(crate) pred: &'a [T],
    pub(crate) target: Target<'a, T>,
    pub(crate) columns: usize,
    pub(crate) weights: Option<Weights<'a, T>>,
    pub(crate) column_weights: Option<&'a [T]>,
    pub(crate) ignore_index: Option<i64>,
    pub(crate) groups: Option<&'a [i64]>,
    pub(crate) normalizer: Normalizer,
    pub(crate) grad_output: f64,
    pub(crate) level: Level,
    pub(crate) work: Work<'a>,
}

/// What the predictions should be.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a, T> {
    /// All fields of every target. Labels and probabilities lie in 0..=1; up to [`MAX_LABEL`](crate::operand::MAX_LABEL) they may be above
    /// it, as rounding leaves them. A label of [−1](crate::operand::LEFT_OUT) is left out: it counts with weight 0, whatever its
    /// prediction is.
    Dense(&'a [T]),
    /// One class per row: 0 to columns − 1, and for scores `columns`, a row of background.
    Classes(&'a [i64]),
}

impl<'a, T, A: AsRef<[T]> + ?Sized> From<&'a A> for Target<'a, T> {
    fn from(target: &'a A) -> Self {
        Self::Dense(target.as_ref())
    }
}

/// Weights that the losses are multiplied by.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a, T> {
    /// One per row.
    Rows(&'a [T]),
    /// One per element: per row and column.
    Elements(&'a [T]),
}

/// What the sum of the losses is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Normalizer {
    Units,
    WeightSum,
    Number(f64),
}

impl<'a, T: Element> Batch<'a, T> {
    /// The mean loss of `pred` against `target`, both row after row.
    ///
    /// `pred` holds n rows of `columns` units, a unit having as many fields as the loss says (4 for boxes, 1 for values and
    /// scores). `target` likewise; or one class index per row, see [`Target::Classes`].
    #[must_use]
    pub fn new(pred: &'a (impl AsRef<[T]> + ?Sized), target: impl Into<Target<'a, T>>) -> Self {
        Self {
            pred: pred.as_ref(),
            target: target.into(),
            columns: 1,
            weights: None,
            column_weights: None,
            ignore_index: None,
            groups: None,
            normalizer: Normalizer::Units,
            grad_output: 1.0,
            level: Level::best(),
            work: Work { threads: true, cancelled: None },
        }
    }

    /// How many units make a row: the classes of scores and logits, the coordinates of values. 1 if not called.
    #[must_use]
    pub fn columns(self, columns: usize) -> Self {
        Self { columns, ..self }
    }

    /// A weight per row, or per element. A loss of whole batches takes 0 and 1 only: what has weight 0 is left out.
    #[must_use]
    pub fn weights(self, weights: Weights<'a, T>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// A weight per column: class weights of scores and logits, coordinate weights of values. Not for masks and losses of whole
    /// batches.
    #[must_use]
    pub fn column_weights(self, weights: &'a [T]) -> Self {
        Self { column_weights: Some(weights), ..self }
    }

    /// Rows whose target is this class index count with weight 0, whatever they hold: they are worth 0 and have no gradient. For
    /// targets that are class indices.
    #[must_use]
    pub fn ignore_index(self, index: i64) -> Self {
        Self { ignore_index: Some(index), ..self }
    }

    /// The group of every row, usually the image it is from: a loss of whole batches is then computed of each group by itself, in
    /// ascending order of their ids. Without groups the batch is one.
    #[must_use]
    pub fn groups(self, ids: &'a [i64]) -> Self {
        Self { groups: Some(ids), ..self }
    }

    /// Divides the sum by the number of units, whatever their weights. For rows of logits a unit is a row, for losses of whole
    /// batches a group.
    #[must_use]
    pub fn mean(self) -> Self {
        Self { normalizer: Normalizer::Units, ..self }
    }

    /// Divides the sum by the sum of the weights, which should not be negative (for rows of logits also by the weight of the target's class). An ignored
    /// row has weight 0.
    #[must_use]
    pub fn weighted_mean(self) -> Self {
        Self { normalizer: Normalizer::WeightSum, ..self }
    }

    /// Does not divide the sum.
    #[must_use]
    pub fn sum(self) -> Self {
        self.normalizer(1.0)
    }

    /// Divides the sum by this positive number.
    #[must_use]
    pub fn normalizer(self, number: f64) -> Self {
        Self { normalizer: Normalizer::Number(number), ..self }
    }

    /// The derivative, with respect to this batch's value, of whatever the gradient is wanted of. Gradients are multiplied by it.
    #[must_use]
    pub fn grad_output(self, grad_output: f64) -> Self {
        Self { grad_output, ..self }
    }

    /// Uses this level of instructions instead of the best one.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Whether large batches use all threads of rayon's current pool (with the feature `rayon`). The result is the same.
    #[must_use]
    pub fn threads(self, threads: bool) -> Self {
        Self { work: Work { threads, ..self.work }, ..self }
    }

    /// Ends the call with [`Error::Cancelled`](crate::Error::Cancelled) soon after another thread sets `flag`, which is to stay set until
    /// it has ended. What an output holds then is not specified; a state is as it was before. It is looked at from tile to tile, and
    /// within a ranking. One group of any other loss of whole batches is finished first, and so is sorting.
    #[must_use]
    pub fn cancelled_by(self, flag: &'a AtomicBool) -> Self {
        Self { work: Work { cancelled: Some(flag), ..self.work }, ..self }
    }

    /// The value of the batch.
    ///
    /// # Errors
    ///
    /// If the lengths do not fit each other, a class index names no class, a label lies outside of 0..=1, or the normalizer is not
    /// positive. What an output holds after an error is not specified.
    pub fn value(&self, loss: &(impl Kernel + ?Sized)) -> Result<f64> {
        let plan = Plan::new(self, loss)?;
        Ok(plan.run(Outputs::default())? / plan.divisor())
    }

    /// The weighted loss of every unit.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value).
    pub fn values(&self, loss: &(impl Kernel + ?Sized)) -> Result<Vec<T>> {
        let mut values = vec![T::default(); Plan::new(self, loss)?.units()];
        self.values_into(loss, &mut values)?;
        Ok(values)
    }

    /// Writes the weighted loss of every unit to `values`.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value), and if `values` has not one element per unit.
    pub fn values_into(&self, loss: &(impl Kernel + ?Sized), values: &mut [T]) -> Result<()> {
        let plan = Plan::new(self, loss)?;
        plan.run(Outputs { values: Some(plan.values(values)?), ..Outputs::default() })?;
        Ok(())
    }

    /// The value of the batch and its gradient with respect to the prediction.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value).
    pub fn value_and_grad(&self, loss: &(impl Kernel + ?Sized)) -> Result<(f64, Vec<T>)> {
        let mut grad = vec![T::default(); self.pred.len()];
        let value = self.value_and_grad_into(loss, &mut grad)?;
        Ok((value, grad))
    }

    /// The value of the batch; its gradient with respect to the prediction is written to `grad`.
    ///
    /// A buffer that is used again and again saves the time of fresh pages, which is more than the time of the losses.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value), and if `grad` has not the length of the prediction.
    pub fn value_and_grad_into(
        &self,
        loss: &(impl Kernel + ?Sized),
        grad: &mut [T],
    ) -> Result<f64> {
        let plan = Plan::new(self, loss)?;
        let grad = Some(plan.grad(grad)?);
        let divisor = plan.divisor();
        let factor = self.grad_output / divisor;
        Ok(plan.run(Outputs { grad, factor, ..Outputs::default() })? / divisor)
    }

    /// Writes the weighted loss of every unit to `values` and its gradient to `grad`. `grad_output`, if given, has the gradient of
    /// each of these values.
    ///
    /// # Errors
    ///
    /// Like [`values_into`](Batch::values_into) and [`value_and_grad_into`](Batch::value_and_grad_into).
    pub fn values_and_grad_into(
        &self,
        loss: &(impl Kernel + ?Sized),
        grad_output: Option<&[T]>,
        values: &mut [T],
        grad: &mut [T],
    ) -> Result<()> {
        let plan = Plan::new(self, loss)?;
        let grad_output =
            grad_output.map(|grad_output| plan.grad_output(grad_output)).transpose()?;
        let (values, grad) = (Some(plan.values(values)?), Some(plan.grad(grad)?));
        plan.run(Outputs {
            values,
            grad,
            grad_output,
            factor: self.grad_output,
            ..Outputs::default()
        })?;
        Ok(())
    }

    /// One step of a training run with a stateful loss: like [`value_and_grad_into`](Batch::value_and_grad_into), and `state`
    /// is brought up to date. A run begins with [`initial_state`](Batch::initial_state).
    ///
    /// # Errors
    ///
    /// Like [`value_and_grad_into`](Batch::value_and_grad_into), and if `state` has not the length of the initial state.
    pub fn step_into(
        &self,
        loss: &(impl Kernel + ?Sized),
        state: &mut [f64],
        grad: &mut [T],
    ) -> Result<f64> {
        let mut plan = Plan::new(self, loss)?;
        let (state, grad) = (plan.state(state)?, Some(plan.grad(grad)?));
        let divisor = plan.divisor();
        let outputs = Outputs { grad, factor: self.grad_output / divisor, ..Outputs::default() };
        let Some(running_mean) = loss.running_mean() else {
            return Ok(plan.run(Outputs { state: Some(state), ..outputs })? / divisor);
        };
        plan.mean = state[0];
        running_mean.update(self, &mut plan.mean)?;
        let value = plan.run(outputs)? / divisor;
        // Only now: a call that fails leaves the state as it was.
        state[0] = plan.mean;
        Ok(value)
    }

    /// The state that a training run with this loss begins with: plain numbers, to be saved with its checkpoints. Empty for a loss
    /// without state.
    #[must_use]
    pub fn initial_state(&self, loss: &(impl Kernel + ?Sized)) -> Vec<f64> {
        loss.initial_state(self.columns)
    }

    /// What the sum of the losses is divided by; 0 for a batch of weight 0. Where a batch is shared by several machines, the
    /// sum of their divisors is the [`normalizer`](Batch::normalizer) of each.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value).
    pub fn divisor(&self, loss: &(impl Kernel + ?Sized)) -> Result<f64> {
        Ok(Plan::new(self, loss)?.weight())
    }

    /// The components that the value of the batch is the sum of, for a loss that has
    /// [names](crate::signature::Signature::components) for them.
    ///
    /// # Errors
    ///
    /// Like [`value`](Batch::value).
    pub fn components(&self, loss: &(impl Kernel + ?Sized)) -> Result<Vec<f64>> {
        let plan = Plan::new(self, loss)?;
        let mut components = vec![0.0; loss.signature().components.len()];
        plan.run(Outputs { components: Some(&mut components), ..Outputs::default() })?;
        Ok(components.into_iter().map(|component| component / plan.divisor()).collect())
    }

    /// The square root of the value of the batch, NaN where that is negative; its gradient is written to `grad`: all 0 where the root is 0.
    ///
    /// # Errors
    ///
    /// Like [`value_and_grad_into`](Batch::value_and_grad_into).
    pub fn root_and_grad_into(&self, loss: &(impl Kernel + ?Sized), grad: &mut [T]) -> Result<f64> {
        let root = self.value(loss)?.sqrt();
        let slope = if root > 0.0 { self.grad_output / (2.0 * root) } else { 0.0 };
        self.grad_output(slope).value_and_grad_into(loss, grad)?;
        Ok(root)
    }
}
