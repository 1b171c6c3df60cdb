//! How a loss of whole batches runs: on each group of rows, on what counts in it.

use super::dispatch::{Dispatch, Element};
use super::kernel::Kernel;
use super::plan::{Outputs, Plan};
use super::tile::{Tile, TileTarget};
use super::{Target, Weights};
use crate::error::Result;
use crate::loss::State;
use crate::operand::LEFT_OUT;
use crate::scalar::Element as _;

/// One group, as it lies in memory.
struct Group<'a, C> {
    pred: &'a [C],
    target: &'a [C],
    /// Which elements count; all, if absent.
    counts: Option<&'a [bool]>,
    grad: Option<&'a mut [C]>,
    scale: f64,
}

impl<T: Element, K: Kernel + ?Sized> Plan<'_, T, K> {
    /// Σ ℓ over the groups, with the outputs written.
    pub(super) fn run_sets(&self, outputs: Outputs<'_, T>) -> Result<f64> {
        let (mut read, mut moved) = (Vec::new(), Vec::new());
        let pred = T::read(self.batch.pred, &mut read);
        let pred = self.groups.arranged(pred, self.row_width(), &mut moved);
        let (mut read, mut moved) = (Vec::new(), Vec::new());
        let target = self.written_target(&mut read);
        if self.signature.target.is_probability()
            && !T::Compute::are_probabilities(self.batch.level, target)
        {
            self.check_labels()?;
        }
        let items = self.items_per_row();
        let target = self.groups.arranged(target, self.target_width * items, &mut moved);
        let counts = self.counts();
        let Outputs { values: to_values, grad, grad_output, factor, state, components } = outputs;
        let scale =
            |index: usize| factor * grad_output.map_or(1.0, |slopes| slopes[index].to_f64());
        let mut next_state = state.as_deref().map(<[f64]>::to_vec);
        let run = |grad: Option<&mut [T::Compute]>| {
            let groups = self.cut(pred, target, counts.as_deref(), grad, &scale);
            self.run_groups(groups, next_state.as_deref_mut(), components)
        };
        let values = match grad {
            None => run(None),
            Some(to) => T::write(to, &mut Vec::new(), |grad| {
                self.groups.scatter(grad, self.row_width(), |grad| run(Some(grad)))
            }),
        };
        self.batch.work.check_cancelled()?;
        if let (Some(state), Some(next)) = (state, next_state) {
            state.copy_from_slice(&next);
        }
        if let Some(to) = to_values {
            for (to, &value) in to.iter_mut().zip(&values) {
                *to = T::from_f64(value);
            }
        }
        Ok(values.iter().sum::<f64>() + 0.0)
    }

    /// How many groups have something that counts.
    pub(super) fn groups_that_count(&self) -> usize {
        let Some(counts) = self.counts() else { return self.groups.len() };
        let items = self.items_per_row();
        let mut start = 0;
        let mut any = |&end: &usize| {
            let group = &counts[start * items..end * items];
            start = end;
            group.contains(&true)
        };
        self.groups.ends.iter().filter(|end| any(end)).count()
    }

    /// How many elements a row has: its columns, or one if the row is the element.
    fn items_per_row(&self) -> usize {
        if self.signature.pred.is_row() { 1 } else { self.batch.columns }
    }

    /// How many numbers a row of predictions has.
    fn row_width(&self) -> usize {
        self.width * self.items_per_row()
    }

    /// The targets with every label, or every class, written as a number.
    fn written_target<'s>(&'s self, scratch: &'s mut Vec<T::Compute>) -> &'s [T::Compute] {
        match self.batch.target {
            Target::Dense(dense) => T::read(dense, scratch),
            Target::Classes(classes) if self.signature.pred.is_row() => {
                scratch.extend(classes.iter().map(|&class| T::Compute::from_f64(class as f64)));
                scratch
            }
            Target::Classes(classes) => {
                self.fill_labels(classes, 0, classes.len() * self.batch.columns, scratch);
                scratch
            }
        }
    }

    /// Which elements count, in the order of the groups; None if all do.
    fn counts(&self) -> Option<Vec<bool>> {
        let weights = match self.batch.weights {
            Some(Weights::Rows(weights) | Weights::Elements(weights)) => weights,
            None => &[],
        };
        let is_label = self.signature.target.is_label();
        let labels = match self.batch.target {
            Target::Dense(labels) if is_label => labels,
            _ => &[],
        };
        let (classes, ignored) = self.ignored().unwrap_or((&[], 0));
        let is_out = |weight: &T| weight.to_f64() == 0.0;
        let is_unknown = |label: &T| label.to_f64() == LEFT_OUT;
        if !weights.iter().any(is_out)
            && !labels.iter().any(is_unknown)
            && !classes.contains(&ignored)
        {
            return None;
        }
        let items = self.items_per_row();
        let per_item = matches!(self.batch.weights, Some(Weights::Elements(_)));
        let counts = |item: usize| {
            let row = item / items;
            !weights.get(if per_item { item } else { row }).is_some_and(is_out)
                && !labels.get(item).is_some_and(is_unknown)
                && classes.get(row) != Some(&ignored)
        };
        let place = |place: usize| self.groups.order.as_ref().map_or(place, |order| order[place]);
        let rows = (0..self.rows).map(place);
        Some(rows.flat_map(|row| row * items..(row + 1) * items).map(counts).collect())
    }

    /// The groups, each with its own part of everything.
    fn cut<'a>(
        &self,
        mut pred: &'a [T::Compute],
        mut target: &'a [T::Compute],
        mut counts: Option<&'a [bool]>,
        mut grad: Option<&'a mut [T::Compute]>,
        scale: &dyn Fn(usize) -> f64,
    ) -> Vec<Group<'a, T::Compute>> {
        let items = self.items_per_row();
        let mut start = 0;
        let mut cut = |index: usize| {
            let count = (self.groups.ends[index] - start) * items;
            start = self.groups.ends[index];
            let width = count * self.width;
            Group {
                pred: pred.split_off(..width).expect("a group of the batch"),
                target: target.split_off(..count * self.target_width).expect("its targets"),
                counts: counts.as_mut().and_then(|counts| counts.split_off(..count)),
                grad: grad.as_mut().and_then(|grad| grad.split_off_mut(..width)),
                scale: scale(index),
            }
        };
        (0..self.groups.len()).map(&mut cut).collect()
    }

    /// The value of every group. What is remembered, goes from each group to the next.
    fn run_groups(
        &self,
        groups: Vec<Group<'_, T::Compute>>,
        state: Option<&mut [f64]>,
        components: Option<&mut [f64]>,
    ) -> Vec<f64> {
        let terms = self.signature.components.len();
        let run = |group: Group<'_, T::Compute>, state: Option<&mut [f64]>| {
            let mut components = vec![0.0; terms];
            if self.batch.work.is_cancelled() {
                return (0.0, components);
            }
            (self.run_group(group, state, &mut components), components)
        };
        let results: Vec<(f64, Vec<f64>)> = match state {
            Some(state) => groups.into_iter().map(|group| run(group, Some(&mut *state))).collect(),
            None => self.batch.work.map(groups, |group| run(group, None)),
        };
        if let Some(sums) = components {
            for (_, components) in &results {
                sums.iter_mut().zip(components).for_each(|(sum, component)| *sum += component);
            }
        }
        // The sum of nothing is −0 in Rust: no loss is.
        results.into_iter().map(|(value, _)| value + 0.0).collect()
    }

    fn run_group(
        &self,
        group: Group<'_, T::Compute>,
        state: Option<&mut [f64]>,
        components: &mut [f64],
    ) -> f64 {
        let Group { pred, target, counts, grad, scale } = group;
        let tile = |pred, target, element_columns, grad| {
            let target = TileTarget::Dense(target);
            let factor = T::Compute::from_f64(scale);
            let columns = self.batch.columns;
            let tile = Tile {
                columns,
                pred,
                target,
                column_weights: None,
                weights: &[],
                factor,
                mean: self.mean,
                values: None,
                grad,
                element_columns,
                state,
                components,
                work: self.batch.work,
            };
            T::Compute::tile(self.loss, self.batch.level, tile)
        };
        let Some(counts) = counts else { return tile(pred, target, None, grad) };
        let kept = |numbers: &[T::Compute], width: usize| {
            let items = numbers.chunks_exact(width).zip(counts);
            let kept = items.filter(|(_, counts)| **counts).flat_map(|(item, _)| item);
            kept.copied().collect::<Vec<_>>()
        };
        let (pred, target) = (kept(pred, self.width), kept(target, self.target_width));
        // Nobody else asks.
        let is_per_column = self.signature.state == State::PerColumn && !self.is_row;
        let columns: Option<Vec<usize>> = is_per_column.then(|| {
            let columns = (0..self.batch.columns).cycle().zip(counts);
            columns.filter(|(_, counts)| **counts).map(|(column, _)| column).collect()
        });
        let Some(grad) = grad else {
            return if pred.is_empty() {
                0.0
            } else {
                tile(&pred, &target, columns.as_deref(), None)
            };
        };
        grad.fill(T::Compute::default());
        if pred.is_empty() {
            return 0.0;
        }
        let mut slopes = vec![T::Compute::default(); pred.len()];
        let value = tile(&pred, &target, columns.as_deref(), Some(&mut slopes));
        let places = grad.chunks_exact_mut(self.width).zip(counts).filter(|(_, counts)| **counts);
        for ((to, _), from) in places.zip(slopes.chunks_exact(self.width)) {
            to.copy_from_slice(from);
        }
        value
    }
}
