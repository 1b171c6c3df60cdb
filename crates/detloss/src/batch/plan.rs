//! A checked batch, cut into chunks and tiles.

use std::sync::atomic::{AtomicBool, Ordering};

use super::dispatch::{Dispatch, Element};
use super::driver::HAS_KERNELS;
use super::groups::{self, Groups};
use super::kernel::{Kernel, RunningMean};
use super::tile::{TILE, Tile, TileTarget};
use super::{Batch, Normalizer, Target, Weights};
use crate::error::{Error, Result};
use crate::loss::Scope;
use crate::scalar::Element as _;
use crate::signature::Signature;

/// How many numbers of a prediction one chunk, the work of one thread, holds.
const CHUNK: usize = 64 * TILE;

/// A batch whose lengths fit each other and the loss.
pub(super) struct Plan<'a, T, K: ?Sized> {
    pub(super) batch: &'a Batch<'a, T>,
    pub(super) loss: &'a K,
    pub(super) signature: Signature,
    pub(super) rows: usize,
    /// How many values there are.
    units: usize,
    /// Numbers of one prediction.
    pub(super) width: usize,
    /// Numbers of one target.
    pub(super) target_width: usize,
    /// A prediction is a whole row.
    pub(super) is_row: bool,
    /// The sets of a loss of whole batches; none for the others.
    pub(super) groups: Groups,
    /// The running mean of a loss of units that has one.
    pub(super) mean: f64,
    /// Whether a tile has found a label that is none.
    is_label_invalid: AtomicBool,
}

/// Where results go.
pub(super) struct Outputs<'a, T> {
    pub(super) values: Option<&'a mut [T]>,
    pub(super) grad: Option<&'a mut [T]>,
    pub(super) grad_output: Option<&'a [T]>,
    pub(super) factor: f64,
    /// Only for losses of whole batches: their state.
    pub(super) state: Option<&'a mut [f64]>,
    /// Only for losses of whole batches: the components of the value.
    pub(super) components: Option<&'a mut [f64]>,
}

impl<T> Default for Outputs<'_, T> {
    fn default() -> Self {
        Self {
            values: None,
            grad: None,
            grad_output: None,
            factor: 1.0,
            state: None,
            components: None,
        }
    }
}

impl<'a, T> Outputs<'a, T> {
    /// The outputs of the first `units` units, and the rest.
    fn split(self, units: usize, width: usize) -> (Self, Self) {
        let (values, more_values) = self.values.map(|values| values.split_at_mut(units)).unzip();
        let (grad, more_grad) = self.grad.map(|grad| grad.split_at_mut(units * width)).unzip();
        let (grad_output, more_grad_output) =
            self.grad_output.map(|grad_output| grad_output.split_at(units)).unzip();
        let factor = self.factor;
        (
            Self { values, grad, grad_output, factor, ..Self::default() },
            Self {
                values: more_values,
                grad: more_grad,
                grad_output: more_grad_output,
                factor,
                ..Self::default()
            },
        )
    }
}

fn of_length<S: AsRef<[T]>, T>(what: &'static str, slice: S, expected: usize) -> Result<S> {
    let got = slice.as_ref().len();
    if got == expected { Ok(slice) } else { Err(Error::Length { what, expected, got }) }
}

fn check_classes<T>(batch: &Batch<'_, T>, classes: &[i64], is_row: bool) -> Result<()> {
    let columns = batch.columns as i64;
    // A row of scores without a class is background, which is the index behind the last; a row of a softmax must have one.
    let known = 0..=if is_row { columns - 1 } else { columns };
    match classes
        .iter()
        .position(|class| !known.contains(class) && Some(*class) != batch.ignore_index)
    {
        Some(row) => Err(Error::UnknownClass { row, got: classes[row], classes: batch.columns }),
        None => Ok(()),
    }
}

impl<'a, T: Element, K: Kernel + ?Sized> Plan<'a, T, K> {
    /// Checks everything that can be wrong, once.
    pub(super) fn new(batch: &'a Batch<'a, T>, loss: &'a K) -> Result<Self> {
        if !HAS_KERNELS && !loss.is_interpreted() {
            return Err(Error::NoKernels);
        }
        let signature = loss.signature();
        let Signature { loss: name, scope, pred, target, .. } = signature;
        let takes = signature.takes();
        loss.check()?;
        // Rows of no columns are fine as long as there are none.
        let columns = if batch.pred.is_empty() { batch.columns.max(1) } else { batch.columns };
        let is_row = pred.is_row();
        let row = if is_row { columns } else { pred.fields().len() * columns };
        if row == 0 || !batch.pred.len().is_multiple_of(row) {
            return Err(Error::PartialRow { what: "the prediction", got: batch.pred.len(), row });
        }
        let rows = batch.pred.len() / row;
        let items = if is_row { rows } else { rows * columns };
        let (width, target_width) = (pred.width(columns), target.width(columns));
        match batch.target {
            Target::Dense(_) if batch.ignore_index.is_some() => {
                return Err(Error::NothingToIgnore);
            }
            Target::Dense(target) => {
                of_length("the target", target, items * target_width)?;
            }
            Target::Classes(_) if !takes.class_indices => {
                return Err(Error::NotALabel { loss: name });
            }
            Target::Classes(classes) => {
                of_length("the classes", classes, rows)?;
                check_classes(batch, classes, is_row)?;
            }
        }
        match batch.weights {
            Some(Weights::Rows(weights)) => of_length("the weights per row", weights, rows)?,
            Some(Weights::Elements(weights)) => {
                of_length("the weights per element", weights, items)?
            }
            None => &[],
        };
        if let Some(weights) = batch.column_weights {
            of_length("the weights per column", weights, columns)?;
            if !takes.column_weights {
                return Err(Error::NoColumnWeights { loss: name });
            }
        }
        if let Normalizer::Number(got) = batch.normalizer
            && !(got > 0.0 && got.is_finite())
        {
            return Err(Error::InvalidNormalizer { got });
        }
        let groups = match (scope, batch.groups) {
            (Scope::Set, groups) => {
                if let Some(groups) = groups {
                    of_length("the groups", groups, rows)?;
                }
                groups::check(batch, target)?;
                Groups::new(rows, groups)
            }
            (_, Some(_)) => return Err(Error::NothingToGroup { loss: name }),
            (_, None) => Groups::new(0, None),
        };
        let units = if scope == Scope::Set { groups.len() } else { items };
        Ok(Self {
            batch,
            loss,
            signature,
            rows,
            units,
            width,
            target_width,
            is_row,
            groups,
            mean: RunningMean::FIRST,
            is_label_invalid: AtomicBool::new(false),
        })
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    pub(super) fn values<'o>(&self, values: &'o mut [T]) -> Result<&'o mut [T]> {
        of_length("the buffer of the values", values, self.units)
    }

    pub(super) fn grad<'o>(&self, grad: &'o mut [T]) -> Result<&'o mut [T]> {
        of_length("the buffer of the gradient", grad, self.batch.pred.len())
    }

    pub(super) fn state<'o>(&self, state: &'o mut [f64]) -> Result<&'o mut [f64]> {
        let expected = self.loss.initial_state(self.batch.columns).len();
        of_length("the state", state, expected)
    }

    pub(super) fn grad_output<'o>(&self, grad_output: &'o [T]) -> Result<&'o [T]> {
        of_length("the output gradient", grad_output, self.units)
    }

    /// What the sum is divided by; 1 for a batch of weight 0, whose sum is 0.
    pub(super) fn divisor(&self) -> f64 {
        let weight = self.weight();
        if weight == 0.0 { 1.0 } else { weight }
    }

    /// What the normalizer is of this batch, which may be 0.
    pub(super) fn weight(&self) -> f64 {
        match self.batch.normalizer {
            Normalizer::Units => self.units as f64,
            Normalizer::WeightSum if self.signature.scope == Scope::Set => {
                self.groups_that_count() as f64
            }
            Normalizer::WeightSum => self.weight_sum(),
            Normalizer::Number(number) => number,
        }
    }

    fn weight_sum(&self) -> f64 {
        let mut scratch = Vec::new();
        let tile = self.tile_units();
        (0..self.units)
            .step_by(tile)
            .map(|first| {
                let count = tile.min(self.units - first);
                let leaves_out = self.left_out(first, count).next().is_some();
                let weights = self.weights_of(first, count, leaves_out, &mut scratch);
                let of_class = |index: usize| match (self.batch.target, self.batch.column_weights) {
                    (Target::Classes(classes), Some(by_column)) if self.is_row => {
                        usize::try_from(classes[first + index])
                            .ok()
                            .and_then(|class| by_column.get(class))
                            .map_or(1.0, |weight| weight.to_f64())
                    }
                    _ => 1.0,
                };
                weights
                    .iter()
                    .enumerate()
                    .map(|(index, weight)| weight.to_f64() * of_class(index))
                    .sum::<f64>()
            })
            .sum()
    }

    /// The registers of an interpreter are made once a tile, and worth a larger one.
    fn tile_units(&self) -> usize {
        if self.loss.is_interpreted() { TILE } else { (TILE / self.width).max(1) }
    }

    /// Σ wᵢ ℓᵢ, with the outputs written.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidNumber`] for a label that is none, and [`Error::Cancelled`]. Labels are looked at while they are in the cache, so
    /// the outputs of such a batch have been written to, and the state of a loss of whole batches has not.
    pub(super) fn run(&self, outputs: Outputs<'_, T>) -> Result<f64> {
        if self.signature.scope == Scope::Set {
            return self.run_sets(outputs);
        }
        let chunk = (CHUNK / self.width).max(1).next_multiple_of(self.tile_units());
        let sum = self.run_chunks(0, self.units, chunk, outputs);
        self.batch.work.check_cancelled()?;
        if self.is_label_invalid.load(Ordering::Relaxed) {
            self.check_labels()?;
        }
        Ok(sum)
    }

    /// Halves the units until a chunk is left; how, depends on their number alone, and so does the order of the sums.
    fn run_chunks(&self, first: usize, count: usize, chunk: usize, outputs: Outputs<'_, T>) -> f64 {
        if count <= chunk {
            return self.run_chunk(first, count, outputs);
        }
        let half = (count / 2).next_multiple_of(chunk);
        let (low, high) = outputs.split(half, self.width);
        let (low, high) = self.batch.work.join(
            || self.run_chunks(first, half, chunk, low),
            || self.run_chunks(first + half, count - half, chunk, high),
        );
        low + high
    }

    fn run_chunk(&self, first: usize, count: usize, mut outputs: Outputs<'_, T>) -> f64 {
        let (mut scratch, mut sum) = (Scratch::default(), 0.0);
        let end = first + count;
        for first in (first..end).step_by(self.tile_units()) {
            if self.batch.work.is_cancelled() {
                break;
            }
            let count = self.tile_units().min(end - first);
            let (now, later) = outputs.split(count, self.width);
            sum += self.run_tile(first, count, now, &mut scratch);
            outputs = later;
        }
        sum
    }

    fn run_tile(
        &self,
        first: usize,
        count: usize,
        outputs: Outputs<'_, T>,
        scratch: &mut Scratch<T::Compute>,
    ) -> f64 {
        let Scratch { pred, kept, target, kept_target, weights, column_weights, values, grad } =
            scratch;
        let pred =
            T::read(&self.batch.pred[first * self.width..(first + count) * self.width], pred);
        let mut leaves_out = self.batch.ignore_index.is_some();
        let target = match self.batch.target {
            Target::Dense(dense) => {
                let of_tile = first * self.target_width..(first + count) * self.target_width;
                let numbers = T::read(&dense[of_tile], target);
                if self.signature.target.is_probability()
                    && !T::Compute::are_probabilities(self.batch.level, numbers)
                {
                    leaves_out = true;
                    if !numbers.iter().all(|&number| self.is_valid(number)) {
                        self.is_label_invalid.store(true, Ordering::Relaxed);
                    }
                }
                TileTarget::Dense(numbers)
            }
            Target::Classes(classes) if self.is_row => {
                TileTarget::Classes(&classes[first..first + count])
            }
            Target::Classes(classes) => {
                self.fill_labels(classes, first, count, target);
                TileTarget::Dense(target)
            }
        };
        leaves_out = leaves_out && self.left_out(first, count).next().is_some();
        let (mut pred, mut target) = (pred, target);
        if leaves_out {
            pred = self.without_left_out(first, self.width, pred, kept);
            if let TileTarget::Dense(labels) = target {
                let labels = self.without_left_out(first, self.target_width, labels, kept_target);
                target = TileTarget::Dense(labels);
            }
        }
        let weights = self.weights_of(first, count, leaves_out, weights);
        let column_weights = self
            .batch
            .column_weights
            .filter(|_| self.is_row)
            .map(|by_column| T::read(by_column, column_weights));
        let tile = |values: Option<&mut [T::Compute]>, grad: Option<&mut [T::Compute]>| {
            let factor = T::Compute::from_f64(outputs.factor);
            let columns = self.batch.columns;
            let tile = Tile {
                columns,
                pred,
                target,
                column_weights,
                weights,
                factor,
                mean: self.mean,
                values,
                grad,
                element_columns: None,
                state: None,
                components: &mut [],
                work: self.batch.work,
            };
            T::Compute::tile(self.loss, self.batch.level, tile)
        };
        match (outputs.values, outputs.grad) {
            (None, None) => tile(None, None),
            (Some(to), None) => T::write(to, values, |values| tile(Some(values), None)),
            (None, Some(to)) => T::write(to, grad, |grad| tile(None, Some(grad))),
            (Some(to), Some(to_grad)) => T::write(to, values, |values| {
                T::write(to_grad, grad, |grad| {
                    let sum = tile(Some(values), Some(&mut *grad));
                    self.apply_grad_output(outputs.grad_output, grad);
                    sum
                })
            }),
        }
    }

    /// Multiplies the gradient of every unit by its slope, before the gradient is rounded to the caller's precision.
    fn apply_grad_output(&self, grad_output: Option<&[T]>, grad: &mut [T::Compute]) {
        for (unit, slope) in grad.chunks_exact_mut(self.width).zip(grad_output.unwrap_or_default())
        {
            for partial in unit {
                *partial = T::Compute::from_f64(partial.to_f64() * slope.to_f64());
            }
        }
    }

    /// The labels of `count` scores from unit `first` on.
    pub(super) fn fill_labels(
        &self,
        classes: &[i64],
        first: usize,
        count: usize,
        labels: &mut Vec<T::Compute>,
    ) {
        let columns = self.batch.columns;
        labels.clear();
        labels.resize(count, T::Compute::default());
        let rows = first / columns..(first + count).div_ceil(columns);
        for (row, &class) in rows.clone().zip(&classes[rows]) {
            if let Some(column) = usize::try_from(class).ok().filter(|&class| class < columns) {
                let unit = row * columns + column;
                if (first..first + count).contains(&unit) {
                    labels[unit - first] = T::Compute::from_f64(1.0);
                }
            }
        }
    }

    /// The weights of `count` units from unit `first` on, without the weight per column of whole rows.
    fn weights_of<'s>(
        &self,
        first: usize,
        count: usize,
        leaves_out: bool,
        scratch: &'s mut Vec<T::Compute>,
    ) -> &'s [T::Compute] {
        let by_column = self.batch.column_weights.filter(|_| !self.is_row);
        if self.batch.weights.is_none() && by_column.is_none() && !leaves_out {
            return &T::Compute::ONES[..count];
        }
        scratch.clear();
        scratch.resize(count, T::Compute::from_f64(1.0));
        let times = |weight: &mut T::Compute, factor: f64| {
            *weight = T::Compute::from_f64(weight.to_f64() * factor);
        };
        match self.batch.weights {
            Some(Weights::Elements(of)) => {
                let units = scratch.iter_mut().zip(&of[first..]);
                units.for_each(|(weight, factor)| times(weight, factor.to_f64()));
            }
            Some(Weights::Rows(of)) => {
                for (row, units) in self.rows(first, count) {
                    scratch[units].fill(T::Compute::from_f64(of[row].to_f64()));
                }
            }
            None => {}
        }
        if let Some(of) = by_column {
            let units = (first..).zip(scratch.iter_mut());
            units.for_each(|(unit, weight)| times(weight, of[unit % self.batch.columns].to_f64()));
        }
        if leaves_out {
            for units in self.left_out(first, count) {
                scratch[units].fill(T::Compute::default());
            }
        }
        scratch
    }

    /// The class indices, and the one that is ignored.
    pub(super) fn ignored(&self) -> Option<(&'a [i64], i64)> {
        match self.batch.target {
            Target::Classes(classes) => self.batch.ignore_index.map(|index| (classes, index)),
            Target::Dense(_) => None,
        }
    }
}

/// Buffers of one tile, used again for the next.
#[derive(Default)]
struct Scratch<C> {
    pred: Vec<C>,
    /// The predictions without those that are left out.
    kept: Vec<C>,
    target: Vec<C>,
    /// The targets without those that are left out.
    kept_target: Vec<C>,
    weights: Vec<C>,
    column_weights: Vec<C>,
    values: Vec<C>,
    grad: Vec<C>,
}
