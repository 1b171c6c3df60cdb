//! Predictions with their targets, for any loss.
//!
//! Every number is one of `f32`, so that all precisions are given the same rows.

use crate::batch::{Batch, Element};

/// Predictions with their targets, each with a word on what it shows.
#[derive(Clone, Debug)]
pub struct Rows {
    /// How many columns a row has: 1, or the classes of a loss over whole rows.
    pub columns: usize,
    /// What each unit shows.
    pub what: Vec<String>,
    /// The predictions, one after the other.
    pub pred: Vec<f64>,
    /// The targets, one after the other.
    pub target: Vec<f64>,
}

impl Rows {
    /// No units, for a loss with rows of `columns`.
    #[must_use]
    pub const fn empty(columns: usize) -> Self {
        Self { columns, what: Vec::new(), pred: Vec::new(), target: Vec::new() }
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
        let mut first = Self::empty(self.columns);
        for unit in 0..count {
            first.push(&*self.what[unit], self.pred_of(unit), self.target_of(unit));
        }
        first
    }

    /// One unit alone.
    #[must_use]
    pub fn only(&self, unit: usize) -> Self {
        let mut only = Self::empty(self.columns);
        only.push(&*self.what[unit], self.pred_of(unit), self.target_of(unit));
        only
    }

    /// The units again and again until there are `count`.
    #[must_use]
    pub fn cycle(&self, count: usize) -> Self {
        let mut cycled = Self::empty(self.columns);
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
        Memory { columns: self.columns, pred: store(&self.pred), target: store(&self.target) }
    }
}

/// [`Rows`] as they lie in a caller's memory.
#[derive(Clone, Debug)]
pub struct Memory<T> {
    columns: usize,
    /// The predictions.
    pub pred: Vec<T>,
    /// The targets.
    pub target: Vec<T>,
}

impl<T: Element> Memory<T> {
    /// The batch of all units.
    #[must_use]
    pub fn batch(&self) -> Batch<'_, T> {
        Batch::new(&self.pred, &self.target).columns(self.columns)
    }
}
