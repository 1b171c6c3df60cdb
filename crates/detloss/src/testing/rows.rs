//! Predictions with their targets, for any loss.
//!
//! Every number is one of `f32`, so that all precisions are given the same rows.

use crate::batch::{Batch, Element};
use crate::loss::Scope;
use crate::losses::Entry;

/// How many columns the rows of a loss over whole rows have here: no power of two, and not a multiple of the lanes.
pub(super) const COLUMNS: usize = 5;

/// How many rows a set has here.
const SET: usize = 6;

/// Predictions with their targets, each with a word on what it shows: units that have a value each. For a loss of whole batches a
/// unit is a small batch, several rows high.
#[derive(Clone, Debug)]
pub struct Rows {
    /// How many columns a row has: 1, or the classes of a loss over whole rows.
    pub columns: usize,
    /// How many rows a unit has, if units are sets.
    pub height: Option<usize>,
    /// What each unit shows.
    pub what: Vec<String>,
    /// The predictions, one after the other.
    pub pred: Vec<f64>,
    /// The targets, one after the other.
    pub target: Vec<f64>,
}

impl Rows {
    /// No units, for this loss.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let columns = if entry.signature.pred.is_row() { COLUMNS } else { 1 };
        Self::new(columns, (entry.signature.scope == Scope::Set).then_some(SET))
    }

    /// No units, of this shape.
    #[must_use]
    pub const fn new(columns: usize, height: Option<usize>) -> Self {
        Self { columns, height, what: Vec::new(), pred: Vec::new(), target: Vec::new() }
    }

    /// No units, of the same shape.
    #[must_use]
    pub const fn like(&self) -> Self {
        Self::new(self.columns, self.height)
    }

    /// Adds a unit, its numbers rounded to `f32`.
    pub fn push(&mut self, what: impl Into<String>, pred: &[f64], target: &[f64]) {
        let round = |&x: &f64| f64::from(x as f32);
        self.what.push(what.into());
        self.pred.extend(pred.iter().map(round));
        self.target.extend(target.iter().map(round));
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.what.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.what.is_empty()
    }

    /// How many numbers a prediction has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pred.len() / self.len().max(1)
    }

    /// The prediction of a unit.
    #[must_use]
    pub fn pred_of(&self, unit: usize) -> &[f64] {
        &self.pred[unit * self.width()..(unit + 1) * self.width()]
    }

    /// The target of a unit.
    #[must_use]
    pub fn target_of(&self, unit: usize) -> &[f64] {
        let width = self.target.len() / self.len().max(1);
        &self.target[unit * width..(unit + 1) * width]
    }

    /// The first units.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let mut first = self.like();
        for unit in 0..count {
            first.push(&*self.what[unit], self.pred_of(unit), self.target_of(unit));
        }
        first
    }

    /// One unit alone.
    #[must_use]
    pub fn only(&self, unit: usize) -> Self {
        let mut only = self.like();
        only.push(&*self.what[unit], self.pred_of(unit), self.target_of(unit));
        only
    }

    /// The units again and again until there are `count`.
    #[must_use]
    pub fn cycle(&self, count: usize) -> Self {
        let mut cycled = self.like();
        for unit in 0..count {
            let unit = unit % self.len();
            cycled.push(&*self.what[unit], self.pred_of(unit), self.target_of(unit));
        }
        cycled
    }

    /// The predictions and the targets in memory.
    #[must_use]
    pub fn memory<T: Element>(&self) -> Memory<T> {
        let store = |from: &[f64]| from.iter().map(|&x| T::from_f64(x)).collect();
        let rows = |height| (0..self.len() as i64).flat_map(move |unit| vec![unit; height]);
        Memory {
            columns: self.columns,
            groups: self.height.map(|height| rows(height).collect()),
            pred: store(&self.pred),
            target: store(&self.target),
        }
    }
}

/// [`Rows`] as they lie in a caller's memory.
#[derive(Clone, Debug)]
pub struct Memory<T> {
    columns: usize,
    groups: Option<Vec<i64>>,
    /// The predictions.
    pub pred: Vec<T>,
    /// The targets.
    pub target: Vec<T>,
}

impl<T: Element> Memory<T> {
    /// The batch of all units.
    #[must_use]
    pub fn batch(&self) -> Batch<'_, T> {
        let batch = Batch::new(&self.pred, &self.target).columns(self.columns);
        match &self.groups {
            Some(groups) => batch.groups(groups),
            None => batch,
        }
    }
}
